/**
 * Keys: shortcuts, and the scanner, which types like a keyboard.
 *
 * A scanner's burst (six or more characters of a code within a few
 * milliseconds each, then Enter) is always a scan, wherever the focus is: it is
 * taken out of the field it fell into, so that a code never becomes an amount,
 * a PIN or a search. Scanned text presses no buttons: it only reaches onScan.
 */
import { useEffect, useRef } from './vendor/htm-preact-standalone.module.js';

/** @typedef {Record<string, () => void>} Shortcuts */
/** @typedef {"view"|"modal"|"base"} Place */
/** @typedef {{shortcuts: Shortcuts, place: Place}} Layer */

/**
 * The newest layer is asked first, so a parent's before those of its children; a
 * modal one ends the search, and the base is asked last.
 * @type {Layer[]}
 */
const layers = [];

/** The longest pause between two characters of a scanner, in ms; nobody types six digits in a row that fast. */
const burst = 90;

/** What a code looks like: digits, or plomb's own receipt code. */
const code = /^(?:\d{6,}|PLOMB\d:.+)$/;

/**
 * Shortcuts while this part of the page is shown.
 * @param {Shortcuts} shortcuts
 * @param {Place} [place]
 */
export function useKeys(shortcuts, place = 'view') {
  const layer = useRef({ shortcuts, place });
  layer.current.shortcuts = shortcuts;
  useEffect(() => {
    const mine = layer.current;
    if (place === 'base') layers.unshift(mine);
    else layers.push(mine);
    return () => void layers.splice(layers.indexOf(mine), 1);
  }, []);
}

/** @param {string} key */
function shortcut(key) {
  for (const layer of layers.toReversed()) {
    if (layer.shortcuts[key]) return layer.shortcuts[key];
    if (layer.place === 'modal') return undefined;
  }
  return undefined;
}

/** @param {Element|null} element */
const isField = (element) => element instanceof HTMLInputElement || element instanceof HTMLTextAreaElement || element instanceof HTMLSelectElement;

/**
 * Listens to the whole page.
 * @param {(code: string) => void} onScan
 * @returns {() => void} stop
 */
export function listen(onScan) {
  let run = '';
  let last = 0;
  /** @param {KeyboardEvent} event */
  const down = (event) => {
    if (event.isComposing) return;
    const now = event.timeStamp;
    if (event.key === 'Enter' && code.test(run) && now - last < 3 * burst) {
      swallow(event);
      takeOut(run);
      onScan(run);
      run = '';
      return;
    }
    if (event.key.length === 1 && !event.ctrlKey && !event.altKey && !event.metaKey) {
      run = now - last > burst ? event.key : run + event.key;
      last = now;
      redirect(event);
      return;
    }
    if (event.key !== 'Shift') run = '';
    press(event);
  };
  addEventListener('keydown', down, true);
  return () => removeEventListener('keydown', down, true);
}

/** Typing reaches the page's field, and what is scanned goes nowhere: where nobody is signed in. */
export function useTyping() {
  useEffect(() => listen(() => {}), []);
}

/** @param {KeyboardEvent} event */
function swallow(event) {
  event.preventDefault();
  event.stopPropagation();
}

/** Takes a scanned code back out of the field it was typed into. @param {string} text */
function takeOut(text) {
  const field = document.activeElement;
  if (!(field instanceof HTMLInputElement || field instanceof HTMLTextAreaElement)) return;
  if (!field.value.endsWith(text)) field.value = field.dataset.digits ? '' : field.value;
  else field.value = field.value.slice(0, field.value.length - text.length);
  field.dispatchEvent(new Event('input', { bubbles: true }));
}

/** Typing outside of any field goes to the scan field. @param {KeyboardEvent} event */
function redirect(event) {
  if (isField(document.activeElement)) return;
  if (event.key === ' ') return;
  const open = [...document.querySelectorAll('dialog[open]')].at(-1); // the one on top
  const field = (open ?? document).querySelector('[data-typing]');
  if (field instanceof HTMLElement && !field.closest('[inert]')) field.focus();
}

/** @param {KeyboardEvent} event */
function press(event) {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const act = shortcut(event.key);
  if (!act) return;
  const field = document.activeElement;
  if (event.key === 'Enter' && (field instanceof HTMLButtonElement || field instanceof HTMLAnchorElement)) return;
  const editing = (field instanceof HTMLInputElement || field instanceof HTMLTextAreaElement) && field.value !== '';
  if (editing && !/^(F\d+|Escape|ArrowUp|ArrowDown)$/.test(event.key)) return;
  if (isField(field) && !(field instanceof HTMLElement && field.dataset.typing !== undefined) && /^(Arrow|Delete|Enter)/.test(event.key)) return;
  swallow(event);
  act();
}
