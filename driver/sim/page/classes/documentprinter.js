// @ts-check
// A document and passbook printer: what is in its slot is shown as it is printed; a
// click takes what is presented, or puts a passbook in while one is waited for.

/** @typedef {(name: string, args?: Record<string, string>) => Promise<boolean>} Do */
/** @typedef {{picture: (name: string) => string}} Device */

/** @param {string} name @param {string} cls @param {...(Node|string)} children */
function element(name, cls, ...children) {
  const e = document.createElement(name);
  if (cls) e.className = cls;
  e.append(...children);
  return e;
}

/** @param {any} state */
function words(state) {
  if (!state.power) return ["without power", "bad"];
  if (state.cover) return ["the cover is open", "bad"];
  if (state.at === "jammed") return ["paper is jammed", "bad"];
  if (state.waiting) return [state.prompt || "please insert a document or passbook", "good"];
  if (state.at === "presented") return ["please take your document: click it", "good"];
  if (state.at === "inside") return [`${state.medium.name} is inside`, "soft"];
  return ["no paper in the transport", "soft"];
}

/** @param {string} label @param {number} share from 0 to 1 @param {string} text */
function gauge(label, share, text) {
  const meter = /** @type {HTMLMeterElement} */ (element("meter", ""));
  meter.min = 0; meter.max = 1; meter.low = 0.12; meter.high = 0.13; meter.optimum = 1; meter.value = share;
  meter.setAttribute("aria-label", label);
  return element("span", "gauge", element("span", "soft", label), meter, element("span", "", text));
}

/** @param {any} medium @param {Device} device */
function pages(medium, device) {
  const all = element("div", "pages");
  for (const name of medium.pictures) {
    const picture = new Image();
    picture.src = device.picture(name);
    picture.alt = medium.text.join("\n") || "an empty page";
    picture.loading = "lazy";
    all.append(picture);
  }
  if (medium.pictures.length === 0) all.append(element("div", "empty soft", medium.closed ? "closed" : "nothing printed yet"));
  return all;
}

/** @param {any} state @param {Do} act @param {Device} device */
function slot(state, act, device) {
  const all = element("div", `printslot ${state.at}`);
  if (state.medium) {
    const book = state.medium.book ? ` – page ${state.medium.open} of ${state.medium.pages}` : "";
    all.append(element("p", "soft", state.medium.name + book), pages(state.medium, device));
  }
  if (state.at === "presented") all.addEventListener("click", () => act("take"));
  if (state.waiting) {
    for (const kind of ["passbook", "sheet"]) {
      const button = /** @type {HTMLButtonElement} */ (element("button", "", `insert a ${kind}`));
      button.type = "button";
      button.addEventListener("click", () => act("insert", { kind }));
      all.append(button);
    }
  }
  return all;
}

/** @param {any} state @param {Do} act @param {Device} device */
export function draw(state, act, device) {
  const [text, mood] = words(state);
  const bin = state.bin.status === "ok" ? `${state.bin.items} of ${state.bin.capacity}` : state.bin.status;
  const supplies = element("div", "gauges",
    gauge("A4", Math.min(state.trays.upper / state.full, 1), String(state.trays.upper)),
    gauge("A5", Math.min(state.trays.lower / state.full, 1), String(state.trays.lower)),
    gauge("toner", state.toner / 100, `${state.toner} %`), gauge("ink", state.ink / 100, `${state.ink} %`),
    element("span", "gauge", element("span", "soft", "lamp"), element("span", state.lamp === "ok" ? "good" : "bad", state.lamp)),
    element("span", "gauge", element("span", "soft", "retracted"), element("span", "", bin)),
    element("span", "gauge", element("span", "soft", "stacker"), element("span", "", String(state.stacker))));
  const taken = element("div", "pages", ...state.taken.toReversed().map((/** @type {any} */ d) => element("figure", "", pages(d, device), element("figcaption", "soft", `${d.name}, taken`))));
  return element("div", "documentprinter", supplies, element("p", mood ?? "", text ?? ""), slot(state, act, device), taken);
}
