// @ts-check
// What the customer sees.

/** @param {any} state */
export function draw(state) {
  const lines = document.createElement("pre");
  lines.className = "customerdisplay";
  lines.setAttribute("aria-live", "polite");
  lines.textContent = state.lines.map((/** @type {string} */ line) => line || "\u00a0").join("\n");
  const beeps = document.createElement("p");
  beeps.className = "soft";
  beeps.textContent = state.beeps ? `beeped ${state.beeps} times` : "";
  const all = document.createElement("div");
  all.append(lines, beeps);
  return all;
}
