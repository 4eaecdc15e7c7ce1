// @ts-check
// A receipt printer with its cash drawer, and the paper that came out of it.

/** @type {Record<string, string>} */
const cuts = { "": "still in the printer", full: "cut", partial: "cut", torn: "torn off" };

/** @param {string} name @param {string} text */
function element(name, text) {
  const e = document.createElement(name);
  e.textContent = text;
  return e;
}

/** @param {any} state @param {unknown} _act @param {{picture: (name: string) => string}} device */
export function draw(state, _act, device) {
  const trouble = [
    !state.power && "without power", state.coverOpen && "cover open",
    state.paper !== "ok" && `paper ${state.paper}`, state.cutterStuck && "cutter stuck",
  ].filter(Boolean).join(", ");
  const printer = element("p", trouble || "in order");
  printer.className = trouble ? "bad" : "good";
  const drawer = element("p", `drawer ${state.drawer}, pulses so far: ${state.kicks}`);
  drawer.className = state.drawer === "open" ? "bad" : "soft";
  const sheets = document.createElement("ol");
  sheets.className = "sheets";
  sheets.append(...state.sheets.toReversed().map((/** @type {any} */ sheet) => show(sheet, device)));
  const problems = document.createElement("ul");
  problems.append(...state.problems.map((/** @type {string} */ text) => element("li", text)));
  const all = document.createElement("div");
  all.append(printer, drawer, problems, sheets);
  return all;
}

/** @param {any} sheet @param {{picture: (name: string) => string}} device */
function show(sheet, device) {
  const item = document.createElement("li");
  item.value = sheet.number;
  const picture = new Image();
  picture.src = device.picture(sheet.picture);
  picture.alt = sheet.text;
  const figure = document.createElement("figure");
  figure.append(element("figcaption", cuts[sheet.cut] ?? sheet.cut), picture);
  item.append(figure);
  return item;
}
