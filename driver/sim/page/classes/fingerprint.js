// @ts-check
// A fingerprint sensor with three invented fingers beside it: a click puts one on,
// a click on the sensor takes it off.

/** @typedef {(name: string, args?: Record<string, string>) => Promise<boolean>} Do */

const svg = "http://www.w3.org/2000/svg";
const fingers = ["Eva, right index", "Tom, left thumb", "Ida, right thumb"];

/** @param {string} name @param {Record<string, string|number>} attributes @param {...(Node|string)} children */
function shape(name, attributes, ...children) {
  const e = document.createElementNS(svg, name);
  for (const [key, value] of Object.entries(attributes)) e.setAttribute(key, String(value));
  e.append(...children);
  return e;
}

function ridges() {
  return [9, 16, 23, 30].map((r) => shape("path", { class: "ridge", d: `M${60 - r} 92v-22a${r} ${r * 1.3} 0 0 1 ${2 * r} 0v22` }));
}

/** @param {any} state */
function words(state) {
  if (state.broken) return ["the sensor does not work", "bad"];
  if (state.reading && !state.finger) return ["please put a finger on the sensor", "good"];
  if (state.finger) return ["a finger lies on the sensor: click to take it off", "good"];
  return [state.scanned ? "a scan is held" : "nothing scanned", "soft"];
}

/** @param {any} state @param {Do} act */
export function draw(state, act) {
  const [text, mood] = words(state);
  const pad = shape("svg", { viewBox: "0 0 120 130", class: `fingerprint ${state.finger ? "on" : ""} ${state.reading ? "lit" : ""}`, role: "img", "aria-label": text ?? "" },
    shape("rect", { x: 8, y: 8, width: 104, height: 114, rx: 16, class: "body" }),
    shape("rect", { x: 20, y: 20, width: 80, height: 90, rx: 10, class: "glass" }), ...(state.finger ? ridges() : []));
  if (state.finger) pad.addEventListener("click", () => act("remove"));
  const hand = document.createElement("div");
  hand.className = "fingers";
  hand.append(...fingers.map((finger) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = finger;
    button.addEventListener("click", () => act("present", { finger }));
    return button;
  }));
  const say = document.createElement("p");
  say.className = mood ?? "";
  say.textContent = text ?? "";
  const kept = document.createElement("p");
  kept.className = "soft";
  kept.textContent = `${state.templates.length} of ${state.capacity} templates, ${state.persist ? "kept enciphered" : "in memory only"}. No finger here is a person's.`;
  const all = document.createElement("div");
  all.append(pad, hand, say, kept);
  return all;
}
