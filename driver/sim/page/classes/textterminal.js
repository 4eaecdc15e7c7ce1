// @ts-check
// A text terminal: its screen, character by character, and a keyboard to click or to
// type on.

/** @typedef {(name: string, args?: Record<string, string>) => Promise<boolean>} Do */

/** @param {string} name @param {string} cls @param {string} text */
function element(name, cls, text) {
  const e = document.createElement(name);
  if (cls) e.className = cls;
  e.textContent = text;
  return e;
}

/** @param {string} look */
function styles(look) {
  const n = Number(look);
  return [n & 1 && "under", n & 2 && "inverted", n & 4 && "flashing"].filter(Boolean).join(" ");
}

/** One line of the screen, in runs of the same look. @param {any} state @param {number} y */
function line(state, y) {
  const out = document.createElement("div");
  const chars = [...state.lines[y]];
  while (chars.length < state.columns) chars.push(" ");
  const looks = state.looks[y];
  for (let x = 0; x < looks.length;) {
    let end = x;
    const here = state.cursor && state.y === y && state.x === x;
    do end++; while (!here && end < looks.length && looks[end] === looks[x] && !(state.cursor && state.y === y && state.x === end));
    out.append(element("span", [styles(looks[x]), here && "cursor"].filter(Boolean).join(" "), chars.slice(x, end).join("")));
    x = end;
  }
  return out;
}

const rows = ["1234567890", "qwertyuiop", "asdfghjkl-", "zxcvbnm,. "];
const digits = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];

/** @param {string} char */
function nameOf(char) { return digits[Number(char)] && char !== " " ? /** @type {string} */ (digits[Number(char)]) : char; }

/** @param {any} state @param {Do} act */
function keyboard(state, act) {
  const all = element("div", "keys", "");
  /** @param {string} label @param {string} key */
  const key = (label, key) => {
    const button = /** @type {HTMLButtonElement} */ (element("button", "", label));
    button.type = "button";
    button.setAttribute("aria-label", key === " " ? "space" : key);
    button.addEventListener("click", () => act("press", { key }));
    return button;
  };
  for (const chars of rows) {
    const row = element("div", "", "");
    row.append(...[...chars].map((c) => key(c === " " ? "␣" : c, nameOf(c))));
    all.append(row);
  }
  const row = element("div", "", "");
  row.append(...state.command.filter((/** @type {string} */ k) => !k.startsWith("arrow")).map((/** @type {string} */ k) => key(k, k)));
  all.append(row);
  return all;
}

/** @param {any} state @param {Do} act */
export function draw(state, act) {
  const screen = element("div", `textterminal${state.lit && state.plugged ? "" : " dark"}`, "");
  screen.setAttribute("role", "img");
  screen.setAttribute("aria-label", state.lines.join("\n"));
  screen.append(...state.lines.map((/** @type {string} */ _, /** @type {number} */ y) => line(state, y)));
  const trouble = [!state.plugged && "unplugged", !state.lit && "the screen does not work", state.locked && "key lock on"].filter(Boolean).join(", ");
  const say = element("p", trouble ? "bad" : state.reading ? "good" : "soft",
    trouble || (state.reading ? "a client reads the keyboard" : state.waiting ? `${state.waiting} keys wait to be read` : "nobody reads"));
  const all = document.createElement("div");
  all.append(screen, say, element("p", "soft", state.beeps ? `beeped ${state.beeps} times${state.beep ? `, ${state.beep}` : ""}` : ""), keyboard(state, act));
  return all;
}
