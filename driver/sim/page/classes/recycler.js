// @ts-check
// A banknote recycler: the slot at the top with the notes that can be taken or put
// in, the stacker behind it, the cassettes below with what is in them.

const svg = "http://www.w3.org/2000/svg";

/**
 * @typedef {{value: string, type: string, level: string, count: number}} Bundle
 * @typedef {{unit: string, id: string, kind: string, value?: string, notes: number, counted: number, capacity: number,
 *   areas?: number, areasUsed?: number, fill: string, status: string, detected: boolean}} Cassette
 * @typedef {{power: boolean, error?: string, device: string, acceptor: boolean, exchange: boolean, cashIn: boolean, waiting: boolean,
 *   timeLock: boolean, shutter: string, jammed: boolean, door: boolean, foreign: boolean, cassettes: Cassette[],
 *   places: Record<string, Bundle[]>, stackerCapacity: number, armed: string[], notes: {type: string, value: string}[]}} State
 * @typedef {(name: string, args?: Record<string, string>) => Promise<boolean>} Act
 */

/** @param {string} name @param {string} className @param {...(Node|string)} children */
function html(name, className, ...children) {
  const e = document.createElement(name);
  if (className) e.className = className;
  e.append(...children);
  return e;
}

/** @param {string} name @param {Record<string, string|number>} attributes @param {...Node} children */
function shape(name, attributes, ...children) {
  const e = document.createElementNS(svg, name);
  for (const [key, value] of Object.entries(attributes)) e.setAttribute(key, String(value));
  e.append(...children);
  return e;
}

/** A note as it looks: its value gives the colour. @param {string} value @param {string} level */
function noteClass(value, level) {
  const amount = Number.parseFloat(value);
  const colour = [5, 10, 20, 50, 100, 200, 500].indexOf(amount);
  return `note c${colour < 0 ? "x" : colour}${level === "fit" ? "" : " bad-note"}`;
}

/** @param {Bundle[]} bundles @param {(() => void) | undefined} take */
function notes(bundles, take) {
  return bundles.map((b) => {
    const text = `${b.count} × ${b.value}${b.level === "fit" ? "" : `, ${b.level}`}`;
    if (!take) return html("span", noteClass(b.value, b.level), text);
    const button = html("button", noteClass(b.value, b.level), text);
    button.title = "Take the notes";
    button.addEventListener("click", take);
    return button;
  });
}

/** @param {State} state @param {Act} act */
function slot(state, act) {
  const out = state.places.output ?? [];
  const open = state.shutter === "open";
  const opening = html("div", `opening ${state.shutter}`, ...notes(out, open ? () => act("take") : undefined), ...notes(state.places.input ?? [], undefined));
  if (state.foreign) {
    const thing = html("button", "note thing", "not a note");
    thing.addEventListener("click", () => act("take-object"));
    opening.append(thing);
  }
  if (!opening.hasChildNodes()) opening.append(html("span", "soft", open ? "empty" : `shutter ${state.shutter}`));
  return opening;
}

/** The customer's purse: notes that can be put in while the device waits for some. @param {State} state @param {Act} act */
function purse(state, act) {
  const row = html("div", "purse");
  row.setAttribute("role", "group");
  row.setAttribute("aria-label", "Notes to put in");
  for (const n of state.notes) {
    const button = html("button", noteClass(n.value, "fit"), n.value);
    button.title = `Put ${n.value} in`;
    button.addEventListener("click", () => act("insert", { note: n.type, count: "1" }));
    row.append(button);
  }
  return row;
}

/** @param {State} state */
function inside(state) {
  const stacker = state.places.stacker ?? [];
  const transport = state.places.transport ?? [];
  const count = stacker.reduce((sum, b) => sum + b.count, 0);
  const row = html("div", "inside", html("span", "soft", `stacker ${count}/${state.stackerCapacity}`), ...notes(stacker, undefined));
  if (transport.length > 0 || state.jammed) row.append(html("span", "bad", state.jammed ? "jam" : "in the transport"), ...notes(transport, undefined));
  return row;
}

/** @param {Cassette} c */
function cassette(c) {
  const height = 90;
  const full = Math.min(height, Math.round((height * c.notes) / Math.max(1, c.capacity)));
  const picture = shape("svg", { viewBox: `0 0 60 ${height}`, "aria-hidden": "true" },
    shape("rect", { class: "case", x: 1, y: 1, width: 58, height: height - 2, rx: 5 }));
  if (c.detected && c.status !== "missing") picture.append(shape("rect", { class: `fill ${c.fill}`, x: 4, y: height - full - 2, width: 52, height: Math.max(0, full - 2), rx: 3 }));
  const where = !c.detected ? "not detected" : c.status === "ok" ? c.fill : c.status;
  const gives = c.kind === "recycle" || c.kind === "out";
  const odd = !c.detected || c.status !== "ok" || c.fill === "full" || (gives && (c.fill === "empty" || c.fill === "low"));
  const box = html("div", `cassette${odd ? " odd" : ""}`, picture,
    html("strong", "", c.value ?? c.kind), html("span", "", c.counted === c.notes ? `${c.notes}` : `${c.notes} (counted ${c.counted})`));
  if (c.areas) box.append(html("span", "soft", `${c.areasUsed ?? 0} of ${c.areas} areas`));
  box.append(html("span", odd ? "bad" : "soft", where));
  box.title = `${c.unit}: ${c.notes} of ${c.capacity} notes`;
  return box;
}

/** @param {State} state */
function words(state) {
  return [
    !state.power && "no power", state.error, state.jammed && "a note is stuck", state.door && "safe open", state.timeLock && "time lock",
    state.exchange && "cassettes are being exchanged", state.cashIn && "cash-in open", state.waiting && "waits for notes",
    state.armed.length > 0 && `will strike: ${state.armed.join(", ")}`,
  ].filter(Boolean).join(", ");
}

/** @param {State} state @param {Act} act */
export function draw(state, act) {
  const all = html("div", `recycler${state.power ? "" : " off"}`, slot(state, act));
  if (state.acceptor && state.waiting) all.append(purse(state, act));
  all.append(inside(state), html("div", "cassettes", ...state.cassettes.map(cassette)));
  const text = words(state);
  all.append(html("p", state.device === "online" ? "soft" : "bad", text || "ready"));
  return all;
}
