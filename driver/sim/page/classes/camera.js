// @ts-check
// The cameras: what stands before each of them, and the pictures that it took.

/** @typedef {(name: string, args?: Record<string, string>) => Promise<boolean>} Do */
/**
 * @typedef {{name: string, scene: string, scenes: string[], covered: boolean, works: boolean, medium: string,
 *   count: number, most: number, pictures: string[]}} View
 */

/** @param {string} name @param {string} cls @param {...(Node|string)} children */
function element(name, cls, ...children) {
  const e = document.createElement(name);
  if (cls) e.className = cls;
  e.append(...children);
  return e;
}

/** @param {View} camera @param {Do} act */
function scene(camera, act) {
  const select = document.createElement("select");
  select.setAttribute("aria-label", `before the camera ${camera.name}`);
  select.append(...camera.scenes.map((name) => new Option(name, name, false, name === camera.scene)));
  select.addEventListener("change", () => act("scene", { camera: camera.name, scene: select.value }));
  return select;
}

/** @param {View} camera @param {Do} act @param {{picture: (name: string) => string}} device */
function show(camera, act, device) {
  const [last, ...older] = camera.pictures.map((name) => {
    const picture = new Image();
    picture.src = device.picture(name);
    picture.alt = name;
    picture.title = name;
    return picture;
  });
  const trigger = element("button", "", "take a picture");
  trigger.addEventListener("click", () => act("trigger", { camera: camera.name }));
  const words = [
    camera.works ? "works" : "does not work", camera.covered && "lens covered", `${camera.count} of ${camera.most} pictures`,
  ].filter(Boolean).join(", ");
  return element("figure", camera.works ? "" : "inoperative",
    element("figcaption", "", camera.name),
    element("div", "screen", ...(last ? [last] : ["no picture yet"])),
    element("p", camera.works && camera.medium === "ok" ? "soft" : "bad", words),
    element("div", "controls", scene(camera, act), trigger),
    element("div", "film", ...older));
}

/** @param {any} state @param {Do} act @param {{picture: (name: string) => string}} device */
export function draw(state, act, device) {
  return element("div", "cameras", ...state.cameras.map((/** @type {View} */ c) => show(c, act, device)));
}
