// @ts-check
// An envelope depository: an envelope lies in the hand until it is clicked into the
// open slot; one that is offered is taken by a click.

/** @typedef {(name: string, args?: Record<string, string>) => Promise<boolean>} Do */

const svg = "http://www.w3.org/2000/svg";

/** @param {string} name @param {Record<string, string|number>} attributes @param {...(Node|string)} children */
function shape(name, attributes, ...children) {
  const e = document.createElementNS(svg, name);
  for (const [key, value] of Object.entries(attributes)) e.setAttribute(key, String(value));
  e.append(...children);
  return e;
}

/** @param {any} state */
function words(state) {
  if (!state.power) return ["without power", "bad"];
  if (state.slot === "jammed") return ["an envelope is jammed", "bad"];
  if (state.shutter === "jammed") return ["the slot sticks", "bad"];
  if (state.waiting) return ["please insert your envelope: click it", "good"];
  if (state.slot === "offered") return ["please take the envelope: click it", "good"];
  if (state.slot === "transport") return ["an envelope is inside", "soft"];
  return ["the slot is closed", "soft"];
}

/** @param {number} x @param {number} y @param {string} text @param {string} printed */
function envelope(x, y, text, printed) {
  return shape("g", { class: "envelope", transform: `translate(${x} ${y})` },
    shape("rect", { width: 96, height: 46, rx: 2 }),
    shape("path", { d: "M0 0l48 26l48-26" }),
    shape("text", { x: 6, y: 42 }, text.slice(0, 18)),
    shape("text", { x: 6, y: 34, class: "printed" }, printed.slice(0, 22)));
}

/** @param {string} label @param {() => void} act @param {SVGElement} what */
function button(label, act, what) {
  what.setAttribute("role", "button");
  what.setAttribute("tabindex", "0");
  what.setAttribute("aria-label", label);
  what.classList.add("hot");
  what.addEventListener("click", act);
  what.addEventListener("keydown", (event) => { if (event.key === "Enter") act(); });
  return what;
}

/** @param {any} state @param {Do} act */
function device(state, act) {
  const share = Math.min(state.container.items / Math.max(state.container.capacity, 1), 1);
  const all = shape("svg", { viewBox: "0 0 320 190", class: "depository", role: "img", "aria-label": words(state)[0] },
    shape("rect", { x: 120, y: 8, width: 190, height: 174, rx: 10, class: "body" }),
    shape("rect", { x: 120, y: 40, width: 12, height: 60, class: `mouth ${state.shutter}` }),
    shape("rect", { x: 186, y: 92, width: 112, height: 78, rx: 4, class: "bin" }),
    shape("rect", { x: 188, y: 168 - 74 * share, width: 108, height: 74 * share, class: "fill" }),
    shape("text", { x: 242, y: 136, class: "count" }, state.container.status === "ok" ? String(state.container.items) : state.container.status),
    shape("text", { x: 242, y: 84, class: "small" }, `empty ${state.supply} · toner ${state.toner}`));
  if (state.slot === "transport" || state.slot === "jammed") all.append(envelope(142, 46, state.envelope?.label ?? "", state.envelope?.printed ?? ""));
  if (state.slot === "offered") all.append(button("take the envelope", () => act("take"), envelope(70, 46, state.envelope?.label ?? "", "")));
  if (state.waiting && state.slot === "empty") all.append(button("insert an envelope", () => act("insert"), envelope(8, 46, "Takings", "")));
  return all;
}

/** @param {any} state @param {Do} act */
export function draw(state, act) {
  const [text, mood] = words(state);
  const say = document.createElement("p");
  say.className = mood ?? "";
  say.textContent = text ?? "";
  const list = document.createElement("ol");
  list.append(...state.deposited.slice(-6).toReversed().map((/** @type {any} */ e) => {
    const item = document.createElement("li");
    item.textContent = [e.empty ? "empty envelope" : e.label, e.printed].filter(Boolean).join(" – ");
    return item;
  }));
  const all = document.createElement("div");
  all.append(device(state, act), say, list);
  return all;
}
