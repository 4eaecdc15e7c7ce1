// The page of the simulated devices: it shows the state that the server sends and
// sends orders. It computes nothing itself.

const $ = (id) => document.getElementById(id);

async function order(name, body = {}) {
  const answer = await fetch(`/api/${name}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  say(answer.ok ? "connected" : `refused: ${(await answer.text()).trim()}`, !answer.ok);
}

function say(text, bad) {
  $("link").textContent = text;
  $("link").classList.toggle("bad", bad);
}

const cuts = { "": "still in the printer", full: "cut", partial: "cut", torn: "torn off" };

function words(...pairs) {
  return pairs.filter(([on]) => on).map(([, text]) => text).join(", ");
}

function show(state) {
  const { printer, scanner, display } = state;
  $("display").textContent = display.lines.map((line) => line || "\u00a0").join("\n");
  $("scanner").textContent = words(
    [scanner.gone, "service gone"], [scanner.unplugged, "unplugged"],
    [!scanner.unplugged && scanner.reading, "a client waits for a code"],
    [!scanner.unplugged && !scanner.reading, "no client waits"],
    [scanner.waiting > 0, `codes waiting: ${scanner.waiting}`]);
  $("plug").textContent = scanner.unplugged ? "Plug it in" : "Unplug it";
  $("plug").dataset.order = scanner.unplugged ? "plug" : "unplug";
  $("drawer").textContent = `${printer.drawer}, pulses so far: ${printer.kicks}`;
  $("drawer").classList.toggle("bad", printer.drawer === "open");
  const trouble = words(
    [printer.gone, "service gone"], [!printer.power, "without power"], [printer.coverOpen, "cover open"],
    [printer.paper !== "ok", `paper ${printer.paper}`], [printer.cutterStuck, "cutter stuck"]);
  $("printer").textContent = trouble || "in order";
  $("printer").classList.toggle("bad", trouble !== "");
  $("problems").replaceChildren(...printer.problems.map((text) => element("li", text)));
  for (const button of document.querySelectorAll("[data-toggle=gone]")) {
    const gone = { ReceiptPrinter: printer, Scanner: scanner, CustomerDisplay: display }[button.dataset.service].gone;
    button.dataset.order = gone ? "return" : "vanish";
    button.textContent = gone ? "Bring the service back" : "Take the service away";
  }
  showSheets(printer.sheets);
}

function element(name, text) {
  const e = document.createElement(name);
  e.textContent = text;
  return e;
}

// Sheets that did not change keep their element, so that pictures do not flicker.
function showSheets(sheets) {
  const old = new Map([...$("sheets").children].map((e) => [e.dataset.key, e]));
  const now = sheets.toReversed().map((sheet) => {
    const key = `${sheet.number}/${sheet.length}/${sheet.cut}`;
    return old.get(key) ?? sheetElement(sheet, key);
  });
  $("sheets").replaceChildren(...now);
}

function sheetElement(sheet, key) {
  const item = document.createElement("li");
  item.dataset.key = key;
  item.value = sheet.number;
  const figure = document.createElement("figure");
  const picture = new Image();
  picture.src = `/api/printer/sheets/${sheet.number}.png?${sheet.length}`;
  picture.alt = sheet.text;
  figure.append(element("figcaption", cuts[sheet.cut] ?? sheet.cut), picture);
  item.append(figure);
  return item;
}

document.addEventListener("click", (event) => {
  const { order: name, fault, after, service } = event.target.dataset ?? {};
  if (fault) order("fault", { fault, after: Number(after ?? 0) });
  else if (service) order(name, { service });
  else if (name) order(name);
});

$("scan").addEventListener("submit", (event) => {
  event.preventDefault();
  order("scan", { code: $("code").value });
  $("code").select();
});

const events = new EventSource("/api/events");
events.onopen = () => say("connected", false);
events.onerror = () => say("not connected: the devices are not running", true);
events.onmessage = (event) => show(JSON.parse(event.data));
