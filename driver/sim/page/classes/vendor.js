// @ts-check
// Vendor mode: its four states in a ring, who has registered, who is waited for, and
// the vendor software.

/** @typedef {(name: string, args?: Record<string, string>) => Promise<boolean>} Do */

/** @param {string} name @param {string} cls @param {...(Node|string)} children */
function element(name, cls, ...children) {
  const e = document.createElement(name);
  if (cls) e.className = cls;
  e.append(...children);
  return e;
}

/** @type {[string, string, string, string][]} */
const modes = [
  ["inactive", "normal operation", "request", "turn the service key"],
  ["enterPending", "waiting for applications", "give-up", "give up waiting"],
  ["active", "vendor mode", "release", "turn the key back"],
  ["exitPending", "waiting for applications", "give-up", "give up waiting"],
];

/** @param {any} state @param {Do} act @param {[string, string, string, string]} mode */
function step(state, act, [name, words, order, label]) {
  const here = state.mode === name;
  const box = element("div", here ? "step here" : "step", element("b", "", name), element("span", "soft", words));
  if (here) {
    const button = element("button", "", label);
    button.addEventListener("click", () => act(order));
    box.append(button);
  }
  return box;
}

/** @param {any} state */
function applications(state) {
  const list = element("ul", "");
  list.append(...state.apps.map((/** @type {string} */ name) =>
    element("li", state.pending.includes(name) ? "bad" : "", state.pending.includes(name) ? `${name}: has not acknowledged` : name)));
  return state.apps.length > 0 ? list : element("p", "soft", "no application has registered");
}

/** @param {any} state @param {Do} act */
function software(state, act) {
  if (!state.running) return element("p", "soft", `no vendor software runs; the machine faces the ${state.active}`);
  const leave = element("button", "", "leave it");
  leave.addEventListener("click", () => act("exit-application"));
  return element("p", "good", `${state.running} runs with ${state.access} access; the machine faces the ${state.active} `, leave);
}

/** @param {any} state @param {Do} act */
export function draw(state, act) {
  const line = state.offline ? [element("p", "bad", "offline")] : [];
  return element("div", "vendor", ...line, element("div", "steps", ...modes.map((m) => step(state, act, m))), applications(state), software(state, act));
}
