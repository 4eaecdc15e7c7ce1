// @ts-check
// The page of the simulated devices: one card a device. It shows the state that
// the server sends and does the acts that the server lists. It computes nothing
// itself. The picture of a class is drawn by classes/CLASS.js; a class without one
// shows its state as a list.

/**
 * @typedef {{name: string, label: string, default?: string, choices?: string[], number?: boolean}} Arg
 * @typedef {{name: string, label: string, kind: "hand" | "fault" | "repair", args?: Arg[]}} Act
 * @typedef {{name: string, class: string, gone: boolean, state: any, acts: Act[]}} Face
 * @typedef {(name: string, args?: Record<string, string>) => Promise<boolean>} Do
 * @typedef {{name: string, picture: (name: string) => string}} Device
 * @typedef {{draw: (state: any, act: Do, device: Device) => Node}} Class
 */

/** @param {string} id */
function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found;
}

/** @param {string} text @param {boolean} bad */
function say(text, bad) {
  byId("link").textContent = text;
  byId("link").classList.toggle("bad", bad);
}

/**
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} name @param {Record<string, string>} attributes @param {...(Node|string)} children
 * @returns {HTMLElementTagNameMap[T]}
 */
function element(name, attributes, ...children) {
  const e = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) e.setAttribute(key, value);
  e.append(...children);
  return e;
}

/** @param {string} device @returns {Do} */
function doer(device) {
  return async (name, args = {}) => {
    const answer = await fetch(`/api/devices/${encodeURIComponent(device)}/${encodeURIComponent(name)}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(args),
    });
    say(answer.ok ? "connected" : `refused: ${(await answer.text()).trim()}`, !answer.ok);
    return answer.ok;
  };
}

/** @type {Map<string, Promise<Class>>} */
const classes = new Map();

/** @param {string} name @returns {Promise<Class>} */
function classOf(name) {
  let known = classes.get(name);
  if (!known) {
    document.head.append(element("link", { rel: "stylesheet", href: `classes/${name}.css` }));
    known = import(`./classes/${name}.js`).catch(() => ({ draw: list }));
    classes.set(name, known);
  }
  return known;
}

/** @param {any} state @returns {Node} */
function list(state) {
  const pairs = Object.entries(state ?? {}).flatMap(([key, value]) => [
    element("dt", {}, key),
    element("dd", {}, typeof value === "object" ? JSON.stringify(value) : String(value)),
  ]);
  return element("dl", {}, ...pairs);
}

// Card is one device on the page. What did not change is not drawn again, so that
// nobody loses the field that he types in.
class Card {
  /** @param {string} name */
  constructor(name) {
    this.name = name;
    this.act = doer(name);
    this.title = element("h2", {}, name);
    this.picture = element("div", { class: "picture" });
    this.acts = element("div", { class: "acts" });
    this.root = element("section", { id: `device-${name}`, "aria-label": name }, this.title, this.picture, this.acts);
    this.link = element("a", { href: `#device-${name}` }, name);
    this.drawn = { state: "", acts: "" };
  }

  /** @param {Face} face */
  async show(face) {
    this.root.classList.toggle("gone", face.gone);
    this.link.classList.toggle("gone", face.gone);
    this.showActs(face.acts);
    const state = JSON.stringify(face.state);
    if (state === this.drawn.state) return;
    this.drawn.state = state;
    const { draw } = await classOf(face.class);
    if (state !== this.drawn.state) return; // a newer one came meanwhile
    const base = `/api/devices/${encodeURIComponent(this.name)}/pictures/`;
    this.picture.replaceChildren(draw(face.state, this.act, { name: this.name, picture: (name) => base + encodeURIComponent(name) }));
  }

  /** @param {Act[]} acts */
  showActs(acts) {
    const now = JSON.stringify(acts);
    if (now === this.drawn.acts) return;
    this.drawn.acts = now;
    const typed = this.values();
    this.acts.replaceChildren(...["hand", "fault", "repair"].map((kind) => this.group(kind, acts, typed)));
  }

  /** What stands in the fields now, by act and argument. @returns {Map<string, string>} */
  values() {
    const fields = /** @type {NodeListOf<HTMLInputElement>} */ (this.acts.querySelectorAll("input, select"));
    return new Map([...fields].map((field) => [`${field.form?.dataset.act}/${field.name}`, field.value]));
  }

  /** @param {string} kind @param {Act[]} acts @param {Map<string, string>} typed */
  group(kind, acts, typed) {
    const forms = acts.filter((a) => a.kind === kind).map((a) => this.form(a, typed));
    const group = element("div", { class: kind }, ...forms);
    if (kind !== "fault") return group;
    const words = element("summary", { "data-test": `faults-${this.name}` }, `What can go wrong (${forms.length})`);
    const folded = element("details", { class: "faults" }, words, group);
    folded.open = this.acts.querySelector("details")?.open ?? false;
    return folded;
  }

  /** @param {Act} act @param {Map<string, string>} typed */
  form(act, typed) {
    const fields = (act.args ?? []).map((arg) => field(arg, typed.get(`${act.name}/${arg.name}`) ?? arg.default ?? ""));
    const form = element("form", { "data-act": act.name }, element("button", {}, act.label), ...fields);
    form.addEventListener("submit", (/** @type {SubmitEvent} */ event) => {
      event.preventDefault();
      const values = /** @type {Record<string, string>} */ (Object.fromEntries(new FormData(form)));
      this.act(act.name, values);
      form.querySelector("input")?.select();
    });
    return form;
  }
}

/** @param {Arg} arg @param {string} value */
function field(arg, value) {
  const name = { name: arg.name, "aria-label": arg.label, title: arg.label };
  if (arg.choices?.length) {
    const select = element("select", name, ...arg.choices.map((c) => element("option", { value: c }, c)));
    select.value = value;
    return select;
  }
  const input = element("input", { ...name, autocomplete: "off", placeholder: arg.label, ...(arg.number ? { type: "number", min: "0" } : { maxlength: "4096" }) });
  input.value = value;
  return element("label", {}, arg.label, input);
}

/** @type {Map<string, Card>} */
const cards = new Map();

// While a finger or button is down nothing is drawn: what is being touched must be
// there when it is let go.
let held = false;
/** @type {Map<string, Face>} */
const waiting = new Map();

document.addEventListener("pointerdown", () => (held = true), true);
for (const end of ["pointerup", "pointercancel"]) {
  document.addEventListener(end, () => setTimeout(release), true); // after the click
}

function release() {
  held = false;
  const faces = [...waiting.values()];
  waiting.clear();
  faces.forEach(show);
}

/** @param {Face} face */
function show(face) {
  if (held) {
    waiting.set(face.name, face);
    return;
  }
  let card = cards.get(face.name);
  if (!card) {
    card = new Card(face.name);
    cards.set(face.name, card);
    byId("counter").append(card.root);
    byId("devices").append(card.link);
  }
  card.show(face);
}

const events = new EventSource("/api/events");
events.onopen = () => say("connected", false);
events.onerror = () => say("not connected: the devices are not running", true);
events.onmessage = (/** @type {MessageEvent<string>} */ event) => JSON.parse(event.data).forEach(show);
