// @ts-check
// The housing: its doors (click to open and close), the operator's switch, the
// lights in their colours and rhythms, and where the power comes from.

/** @typedef {(name: string, args?: Record<string, string>) => Promise<boolean>} Do */

/** @param {string} name @param {string} cls @param {...(Node|string)} children */
function element(name, cls, ...children) {
  const e = document.createElement(name);
  if (cls) e.className = cls;
  e.append(...children);
  return e;
}

/** @type {[string, string][]} */
const doors = [
  ["cabinetFrontDoor", "front"], ["cabinetRearDoor", "rear"], ["cabinetLeftDoor", "left"],
  ["cabinetRightDoor", "right"], ["cabinetDoor", "cabinet"], ["safeDoor", "safe"],
];

/** @type {[string, string][]} */
const sensors = [
  ["tamperSensor", "tamper"], ["internalTamperSensor", "inner tamper"], ["seismicSensor", "seismic"], ["heatSensor", "heat"],
  ["proximitySensor", "somebody near"], ["operatorCallButtonSensor", "operator call"], ["handsetSensor", "handset"],
  ["enhancedAudioSensor", "headphones"], ["bootSwitchSensor", "boot switch"], ["vandalShield", "vandal shield"],
];

/** @param {any} state @param {Do} act @param {string} name @param {string} label */
function door(state, act, name, label) {
  const at = state.auxiliary[name];
  const button = element("button", `door ${at}`, element("b", "", label), element("span", "", at));
  button.addEventListener("click", () => act(name, { to: at === "open" || at === "locked" || at === "tampered" ? "closed" : "open" }));
  return button;
}

/** @param {any} state @param {Do} act */
function operatorSwitch(state, act) {
  const choices = state.choices.operatorSwitch.map((/** @type {string} */ to) => {
    const button = element("button", state.auxiliary.operatorSwitch === to ? "chosen" : "", to);
    button.addEventListener("click", () => act("operatorSwitch", { to }));
    return button;
  });
  return element("div", "switch", element("span", "soft", "operator's switch"), ...choices);
}

/** @param {any} state @param {Do} act @param {string} name @param {string} label */
function sensor(state, act, name, label) {
  const at = state.auxiliary[name];
  const values = state.choices[name];
  const button = element("button", at === values[0] ? "sensor" : "sensor on", `${label}: ${at}`);
  button.addEventListener("click", () => act(name, { to: at === values[0] ? values[1] : values[0] }));
  return button;
}

/** @param {any} state @param {string} name */
function light(state, name) {
  const lamps = Object.entries(state.lights[name]).map(([position, at]) => {
    const lamp = element("i", `lamp ${at.flashRate} ${at.color ?? ""} ${at.direction ?? ""}`);
    lamp.title = `${name}, ${position}: ${at.flashRate} ${at.color ?? ""} ${at.direction ?? ""}`;
    return lamp;
  });
  const bad = state.broken.includes(name) ? " bad" : "";
  return element("div", `light${bad}`, ...lamps, element("span", "", name));
}

/** @param {any} state */
function power(state) {
  const source = !state.power ? "no power" : state.mains ? "on the mains" : "on battery";
  const ups = ["low", "engaged", "powering", "recovered"].filter((flag) => state.ups[flag]);
  const words = [
    source, `UPS ${ups.length > 0 ? ups.join(", ") : "good"}`, `battery ${state.battery}, ${state.charge} %`,
    state.sleeping > 0 && `asleep, ${state.sleeping / 1000} s to wake`,
    state.startup.mode && `starts by itself: ${state.startup.mode}`,
  ].filter(Boolean).join("; ");
  const line = element("p", state.power && state.mains ? "good" : "bad", words);
  line.setAttribute("role", "status");
  return line;
}

/** @param {any} state */
function indicators(state) {
  const a = state.auxiliary;
  return element("p", "soft", [
    a.openClosedIndicator, `heating ${a.heating}`, `signs ${a.signageDisplay}`, `display light ${a.consumerDisplayBacklight}`,
    `alarm ${a.audibleAlarm}`, `sound ${a.audio.rate}${a.audio.signal ? ` (${a.audio.signal})` : ""}`, `volume ${a.volume}`,
  ].join(", "));
}

/** @param {any} state @param {Do} act */
export function draw(state, act) {
  return element("div", "cabinet", power(state),
    element("div", "doors", ...doors.map(([name, label]) => door(state, act, name, label))),
    operatorSwitch(state, act),
    element("div", `lights${state.power ? "" : " dark"}`, ...state.order.map((/** @type {string} */ name) => light(state, name))),
    element("div", "sensors", ...sensors.map(([name, label]) => sensor(state, act, name, label))),
    indicators(state));
}
