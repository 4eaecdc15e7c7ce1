// @ts-check
// A check scanner from the side: feeder, readers, stacker, pockets. Cheques that are
// presented are taken by a click; a click on the open slot puts one in.

/** @typedef {(name: string, args?: Record<string, string>) => Promise<boolean>} Do */
/** @typedef {{picture: (name: string) => string}} Device */

const svg = "http://www.w3.org/2000/svg";

/** @param {string} name @param {Record<string, string|number>} attributes @param {...(Node|string)} children */
function shape(name, attributes, ...children) {
  const e = document.createElementNS(svg, name);
  for (const [key, value] of Object.entries(attributes)) e.setAttribute(key, String(value));
  e.append(...children);
  return e;
}

/** @param {string} name @param {string} cls @param {...(Node|string)} children */
function element(name, cls, ...children) {
  const e = document.createElement(name);
  if (cls) e.className = cls;
  e.append(...children);
  return e;
}

/** @param {any} state */
function presented(state) { return Object.values(state.slots).flat(); }

/** @param {any} state */
function words(state) {
  if (!state.power) return ["without power", "bad"];
  if (state.jammed) return ["an item is jammed", "bad"];
  const broken = Object.entries(state.parts).filter(([, works]) => !works).map(([name]) => name);
  if (broken.length > 0) return [`broken: ${broken.join(", ")}`, "bad"];
  if (Object.values(state.shutters).includes("jammed")) return ["a slot sticks", "bad"];
  if (state.waiting) return ["please insert cheques: click the slot", "good"];
  if (presented(state).length > 0) return ["please take the cheques: click them", "good"];
  return [`transaction: ${state.deal}`, "soft"];
}

/** A bundle of cheques. @param {number} x @param {number} y @param {number} n @param {string} cls */
function bundle(x, y, n, cls) {
  const all = shape("g", { class: `bundle ${cls}` });
  for (let i = 0; i < Math.min(n, 8); i++) all.append(shape("rect", { x: x + 2 * i, y: y - 3 * i, width: 54, height: 24, rx: 1 }));
  if (n > 0) all.append(shape("text", { x: x + 27, y: y + 16 }, String(n)));
  return all;
}

/** @param {any} pocket @param {number} y */
function pocket(pocket, y) {
  const share = Math.min(pocket.items / Math.max(pocket.capacity, 1), 1);
  const words = !pocket.detected ? "not detected" : pocket.status === "ok" ? `${pocket.items}` : pocket.status;
  return shape("g", { class: pocket.detected && pocket.status === "ok" ? "pocket" : "pocket bad" },
    shape("rect", { x: 300, y, width: 92, height: 36, rx: 3 }),
    shape("rect", { x: 302, y: y + 2, width: 88 * share, height: 32, class: "fill" }),
    shape("text", { x: 346, y: y + 16 }, pocket.position), shape("text", { x: 346, y: y + 30 }, words));
}

/** @param {any} state @param {Do} act */
function machine(state, act) {
  const light = state.light.rate === "off" ? "off" : `${state.light.color} ${state.light.rate}`;
  const all = shape("svg", { viewBox: "0 0 400 170", class: "checkscanner", role: "img", "aria-label": words(state)[0] ?? "" },
    shape("rect", { x: 70, y: 20, width: 325, height: 145, rx: 10, class: "body" }),
    shape("rect", { x: 66, y: 60, width: 10, height: 70, class: `mouth ${state.shutters.input}` }),
    shape("circle", { cx: 71, cy: 42, r: 7, class: `light ${light}` }),
    shape("text", { x: 120, y: 40, class: "small" }, "feeder"), bundle(90, 90, state.feeder.length, ""),
    shape("text", { x: 190, y: 40, class: "small" }, state.single ? "item" : "stacker"), bundle(165, 90, state.stacker.length + (state.held ? 1 : 0), ""),
    shape("text", { x: 262, y: 40, class: "small" }, "refused"), bundle(232, 90, state.refused.length, "refused"),
    shape("text", { x: 180, y: 156, class: "small" }, `ink ${state.ink} %${state.mixed ? `, ${state.notes} notes` : ""}`),
    pocket(state.pockets[0], 30), pocket(state.pockets[1], 72), pocket(state.pockets[2], 114));
  const out = presented(state);
  if (out.length > 0 || state.waiting) {
    const what = out.length > 0 ? bundle(6, 92, out.length, "hot") : shape("rect", { x: 6, y: 66, width: 56, height: 58, rx: 4, class: "drop hot" });
    what.addEventListener("click", () => act(out.length > 0 ? "take" : "insert"));
    all.append(what);
  }
  return all;
}

/** @param {any} item @param {Device} device */
function cheque(item, device) {
  const figure = element("figure", "cheque");
  for (const name of item.pictures) {
    const picture = new Image();
    picture.src = device.picture(name);
    picture.alt = `cheque ${item.number} to ${item.payee} for ${item.amount}`;
    picture.loading = "lazy";
    figure.append(picture);
  }
  figure.append(element("figcaption", "soft", [item.id ? `item ${item.id}` : "", item.defect, item.place].filter(Boolean).join(", ")));
  return figure;
}

/** @param {any} state @param {Do} act @param {Device} device */
export function draw(state, act, device) {
  const [text, mood] = words(state);
  const items = [...(state.held ? [state.held] : []), ...state.refused, ...presented(state), ...state.stacker.slice(-4), ...state.stored.slice(-4).toReversed()];
  const all = element("div", "", machine(state, act), element("p", mood ?? "", text ?? ""));
  const list = element("div", "cheques", ...items.slice(0, 8).map((item) => cheque(item, device)));
  all.append(list);
  return all;
}
