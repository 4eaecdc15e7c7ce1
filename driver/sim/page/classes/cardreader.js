// @ts-check
// A card reader and the wallet beside it: a card is put in by a click on it, or by
// dragging it onto the slot; a card in the slot is taken by a click.

const svg = "http://www.w3.org/2000/svg";

/**
 * @typedef {{name: string, number: string, holder: string, color: string, stripe: boolean, chip: boolean, contactless: boolean, place: string}} Card
 * @typedef {(name: string, args?: Record<string, string>) => Promise<boolean>} Do
 */

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

/** @param {Card} card */
function face(card) {
  const all = shape("svg", { viewBox: "0 0 172 108", class: `card ${card.color}`, "aria-hidden": "true" },
    shape("rect", { x: 1, y: 1, width: 170, height: 106, rx: 8, class: "body" }));
  if (card.chip) all.append(shape("rect", { x: 16, y: 36, width: 24, height: 19, rx: 3, class: "chip" }));
  if (card.contactless) all.append(shape("path", { d: "M48 38q8 8 0 15M54 34q12 12 0 23M60 30q16 16 0 31", class: "waves" }));
  if (card.stripe) all.append(shape("rect", { x: 1, y: 12, width: 170, height: 12, class: "stripe" }));
  all.append(
    shape("text", { x: 16, y: 76, class: "number" }, card.number.replaceAll("*", "•").replace(/(.{4})(?=.)/g, "$1 ")),
    shape("text", { x: 16, y: 94, class: "holder" }, card.holder || card.name),
  );
  return all;
}

/** @param {Card} card @param {any} state @param {Do} act */
function inWallet(card, state, act) {
  const words = card.place === "hand" ? card.name : `${card.name} (${card.place === "bin" ? "retained" : "in the reader"})`;
  const button = /** @type {HTMLButtonElement} */ (element("button", "", face(card), element("span", "", words)));
  button.disabled = card.place !== "hand";
  button.draggable = card.place === "hand";
  button.setAttribute("aria-label", `${state.tapping ? "Tap" : "Insert"} ${card.name}`);
  button.addEventListener("click", () => act(state.tapping ? "tap" : "insert", { card: card.name }));
  button.addEventListener("dragstart", (event) => event.dataTransfer?.setData("text/plain", card.name));
  return button;
}

/** @param {any} state */
function words(state) {
  if (!state.power) return ["without power", "bad"];
  if (state.place === "jammed") return ["the card is jammed: a reset frees it", "bad"];
  if (state.place === "stuck") return ["the card is wedged: clear the transport", "bad"];
  if (state.broken.length > 0) return [`broken: ${state.broken.join(", ")}`, "bad"];
  if (state.message) return [state.message, "good"];
  if (state.place === "exit") return ["please take your card", "good"];
  if (state.waiting) return ["please insert a card", "good"];
  if (state.card) return [`${state.card} is in the reader, chip ${state.chipPower}`, "soft"];
  return [state.type === "dip" ? "no card" : "the slot is closed", "soft"];
}

/** @param {any} state @param {Do} act */
function device(state, act) {
  const card = state.cards.find((/** @type {Card} */ c) => c.name === state.card);
  const slot = element("div", `slot ${state.place || "empty"}${state.waiting ? " open" : ""}`);
  if (card && state.place !== "transport") slot.append(face(card));
  else if (card) slot.append(element("span", "soft", "card inside"));
  slot.title = "drag a card here; click to take the card";
  slot.addEventListener("click", () => card && act(state.place === "jammed" || state.place === "stuck" ? "clear" : "take"));
  slot.addEventListener("dragover", (event) => event.preventDefault());
  slot.addEventListener("drop", (event) => {
    event.preventDefault();
    act("insert", { card: event.dataTransfer?.getData("text/plain") ?? "" });
  });
  const parts = [slot];
  if (state.antenna) {
    const antenna = element("div", `antenna${state.tapping ? " on" : ""}`, ")))");
    antenna.addEventListener("dragover", (event) => event.preventDefault());
    antenna.addEventListener("drop", (event) => {
      event.preventDefault();
      act("tap", { card: event.dataTransfer?.getData("text/plain") ?? "" });
    });
    parts.push(antenna);
  }
  return element("div", "device", ...parts);
}

/** @param {any} state @param {Do} act */
export function draw(state, act) {
  const [text = "", cls = ""] = words(state);
  const line = element("p", cls, text);
  line.setAttribute("role", "status");
  const wallet = element("div", "wallet", ...state.cards.map((/** @type {Card} */ c) => inWallet(c, state, act)));
  const bin = element("p", state.bin.items >= state.bin.capacity || state.bin.status !== "ok" ? "bad" : "soft",
    `retain bin: ${state.bin.items} of ${state.bin.capacity}, ${state.bin.status}`);
  const armed = state.armed.length > 0 ? [element("p", "bad", `will happen: ${state.armed.join(", ")}`)] : [];
  return element("div", "cardreader", line, device(state, act), ...(state.type === "dip" ? [] : [bin]), ...armed, wallet);
}
