// @ts-check
// A barcode scanner: its beam is on while a client waits for a code.

const svg = "http://www.w3.org/2000/svg";

/** @param {any} state */
export function draw(state) {
  const all = document.createElement("div");
  const picture = document.createElementNS(svg, "svg");
  picture.setAttribute("viewBox", "0 0 120 60");
  picture.setAttribute("class", `scanner${state.reading ? " reading" : ""}${state.unplugged ? " unplugged" : ""}`);
  picture.setAttribute("aria-hidden", "true");
  for (const [d, name] of [["M12 18h30l8 8-8 8H30l4 20H22L18 34h-6z", "body"], ["M50 26 112 6v40z", "beam"], ["M96 10v32", "line"]]) {
    const path = document.createElementNS(svg, "path");
    path.setAttribute("d", d);
    path.setAttribute("class", name);
    picture.append(path);
  }
  const words = document.createElement("p");
  words.textContent = [
    state.unplugged ? "unplugged" : state.dark ? "its light does not work" : state.reading ? "a client waits for a code" : "no client waits",
    state.smudged > 0 && `codes to come that are smudged: ${state.smudged}`,
    state.waiting > 0 && `codes waiting: ${state.waiting}`,
  ].filter(Boolean).join(", ");
  words.className = state.unplugged || state.dark ? "bad" : "soft";
  all.append(picture, words);
  return all;
}
