/** Puts a drawing that the node made (a QR code's SVG) into the page, shapes only. */

const shapes = new Set(['svg', 'g', 'path', 'rect']);
const attributes = new Set(['viewBox', 'd', 'x', 'y', 'width', 'height', 'fill', 'transform', 'shape-rendering']);
const space = 'http://www.w3.org/2000/svg';

/** @param {string} text @returns {(box: Element|null) => void} */
export const drawing = (text) => (box) => {
  if (!box || box.getAttribute('data-drawn') === text) return;
  const parsed = new DOMParser().parseFromString(text, 'image/svg+xml').documentElement;
  box.replaceChildren(...(parsed.nodeName === 'svg' ? [copied(parsed)] : []));
  box.setAttribute('data-drawn', text);
};

/** @param {Element} from @returns {Element} */
function copied(from) {
  const to = document.createElementNS(space, from.nodeName);
  for (const { name, value } of Array.from(from.attributes)) if (attributes.has(name)) to.setAttribute(name, value);
  for (const child of Array.from(from.children)) if (shapes.has(child.nodeName)) to.append(copied(child));
  return to;
}
