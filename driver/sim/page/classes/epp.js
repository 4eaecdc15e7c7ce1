// @ts-check
// An encrypting PIN pad: a screen that shows what is being entered (stars for PINs
// and keys), the keys to press, and the keys that are loaded, without their values.

const svg = "http://www.w3.org/2000/svg";

/**
 * @typedef {{key: string, shift?: string, frame: number, x: number, y: number, width: number, height: number}} Button
 * @typedef {{mode: string, text: string, shift: boolean, active: string[]}} Entry
 * @typedef {{name: string, usage: string, algorithm: string, modeOfUse: string, bits: number, kcv: string, parts: number}} Key
 * @typedef {{power: boolean, tampered: boolean, waiting: boolean, touch: boolean, stuck: string[], entry?: Entry, keypad: Button[],
 *   beeps: boolean, pin: boolean, part: boolean, keys: Key[], hsm: number, bound: boolean, secured: boolean}} State
 * @typedef {(name: string, args?: Record<string, string>) => Promise<boolean>} Act
 */

/** @type {Record<string, string>} */
const faces = {
  zero: "0", one: "1", two: "2", three: "3", four: "4", five: "5", six: "6", seven: "7", eight: "8", nine: "9",
  enter: "Enter", cancel: "Cancel", clear: "Clear", backspace: "←", help: "?", decPoint: ".", doubleZero: "00", tripleZero: "000", shift: "⇧",
};

const modes = /** @type {Record<string, string>} */ ({ data: "Enter data", pin: "Enter your PIN", secure: "Enter a key part" });

/** @param {string} name @param {string} className @param {...(Node|string)} children */
function html(name, className, ...children) {
  const e = document.createElement(name);
  if (className) e.className = className;
  e.append(...children);
  return e;
}

/** @param {string} name @param {Record<string, string|number>} attributes @param {...(Node|string)} children */
function shape(name, attributes, ...children) {
  const e = document.createElementNS(svg, name);
  for (const [key, value] of Object.entries(attributes)) e.setAttribute(key, String(value));
  e.append(...children);
  return e;
}

/** Where a key is drawn: the pad below the screen, function keys beside it, or on a touch screen where its layout says.
 * @param {Button} b @param {boolean} touch */
function place(b, touch) {
  if (touch && b.width > 0 && b.frame >= 0 && !b.key.startsWith("fdk")) return { x: 40 + b.x * 0.4, y: 20 + b.y * 0.4, width: b.width * 0.4, height: b.height * 0.4 };
  if (b.key.startsWith("fdk")) return { x: b.x > 0 ? 366 : 4, y: 24 + b.y * 0.2, width: 30, height: 22 };
  return { x: 64 + b.x * 0.28, y: 160 + b.y * 0.24, width: b.width * 0.28, height: b.height * 0.24 };
}

/** @param {Button} b @param {State} state */
function face(b, state) {
  if (state.entry?.shift && b.shift) return b.shift.toUpperCase();
  return faces[b.key] ?? b.key.replace(/^(fdk|oem)0?/, "");
}

/** @param {Button} b @param {State} state */
function active(b, state) {
  const names = state.entry?.active ?? [];
  return names.includes(state.entry?.shift && b.shift ? b.shift : b.key) || (b.key === "shift" && state.entry?.mode === "secure");
}

/** @param {Button} b @param {State} state @param {Act} act */
function key(b, state, act) {
  const at = place(b, state.touch);
  const classes = ["key", faces[b.key] === undefined ? "fdk" : b.key, active(b, state) ? "on" : "", state.stuck.includes(b.key) ? "stuck" : ""];
  const group = shape("g", { class: classes.filter(Boolean).join(" "), role: "button", tabindex: 0, "aria-label": b.key, "data-epp-key": b.key },
    shape("rect", { x: at.x, y: at.y, width: at.width, height: at.height, rx: 5 }),
    shape("text", { x: at.x + at.width / 2, y: at.y + at.height / 2 }, face(b, state)));
  if (b.shift && !state.entry?.shift) group.append(shape("text", { class: "second", x: at.x + at.width - 7, y: at.y + 8 }, b.shift.toUpperCase()));
  const press = () => act("press", { key: b.key });
  group.addEventListener("click", press);
  group.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    press();
  });
  return group;
}

/** @param {State} state */
function message(state) {
  if (!state.power) return "";
  if (state.tampered) return "Opened: all keys destroyed";
  if (state.waiting) return "Waits for initialization";
  if (state.entry) return modes[state.entry.mode] ?? "";
  return "Ready";
}

/** @param {State} state @param {Act} act */
function pad(state, act) {
  const screen = shape("g", { class: "screen" },
    shape("rect", { x: 40, y: 20, width: 320, height: state.touch ? 240 : 120, rx: 4 }),
    shape("text", { x: 200, y: state.touch ? 275 : 60 }, message(state)),
    shape("text", { class: "entered", x: 200, y: state.touch ? 300 : 100 }, state.entry?.text ?? ""));
  const bottom = state.touch ? 320 : 420;
  const names = state.keypad.map((b) => key(b, state, act));
  return shape("svg", { viewBox: `0 0 400 ${bottom}`, class: `epp${state.power ? "" : " off"}${state.tampered ? " tampered" : ""}`, role: "group", "aria-label": "Keypad" },
    shape("rect", { class: "case", x: 0, y: 0, width: 400, height: bottom, rx: 12 }), screen, ...names);
}

/** @param {Key} k */
function row(k) {
  const check = k.parts > 0 ? `${k.parts} part${k.parts === 1 ? "" : "s"} entered` : k.kcv || "–";
  return html("tr", "", ...[k.name, `${k.usage} ${k.algorithm} ${k.modeOfUse}`, String(k.bits), check].map((text) => html("td", "", text)));
}

/** @param {State} state */
function keys(state) {
  if (state.keys.length === 0) return html("p", "soft", "no keys are loaded");
  const head = html("tr", "", ...["Key", "Use", "Bits", "Check value"].map((text) => html("th", "", text)));
  return html("table", "epp-keys", html("thead", "", head), html("tbody", "", ...state.keys.map(row)));
}

/** @param {State} state @param {Act} act */
export function draw(state, act) {
  const held = document.activeElement?.getAttribute("data-epp-key");
  const all = html("div", "");
  const facts = [
    state.pin && "a PIN is held", state.part && "a key part waits", state.bound && "a key host is bound", state.secured && "initialization needs a proof",
    state.stuck.length > 0 && `stuck: ${state.stuck.join(", ")}`, state.hsm > 1 && `HSM state ${state.hsm}`,
  ].filter(Boolean).join("; ");
  all.append(pad(state, act), html("p", state.stuck.length > 0 || state.tampered ? "bad" : "soft", facts || "nothing is held"), keys(state));
  if (held) queueMicrotask(() => /** @type {SVGElement|null} */ (all.querySelector(`[data-epp-key="${CSS.escape(held)}"]`))?.focus());
  return all;
}
