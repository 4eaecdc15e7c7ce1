/** What every part of the page knows: the node's state, the words, the formats, and how to act. */
import { Refusal } from './node.js';
import { createContext, useContext, useEffect, useRef, useState } from './vendor/htm-preact-standalone.module.js';

/** @typedef {import('./contract.js').State} State */
/** @typedef {{level: "info"|"warn"|"error", text: string, hint?: string}} Saying */
/** @typedef {{number: number, total: number, change: number, code?: string, index?: number, returned?: boolean}} Finished */

/**
 * @typedef {{
 *   node: import('./node.js').Node,
 *   state: State,
 *   t: import('./words.js').Words,
 *   language: string,
 *   setLanguage: (language: string) => void,
 *   f: import('./format.js').Formats,
 *   run: (what: string, args?: object) => Promise<any>,
 *   ask: (path: string, query?: Record<string, string|number|undefined>) => Promise<any>,
 *   say: (saying: Saying) => void,
 *   go: (view: string) => void,
 *   view: string[],
 *   may: (what: string) => boolean,
 *   finished: Finished|null,
 *   setFinished: (finished: Finished|null) => void,
 *   sheet: string,
 *   openSheet: (sheet: string) => void,
 * }} Till
 */

export const Context = createContext(/** @type {Till} */ (/** @type {unknown} */ (null)));

/** @returns {Till} */
export const useTill = () => useContext(Context);

/**
 * The answer to a question, asked when the screen part appears and whenever its key changes.
 * @template T
 * @param {string} path
 * @param {Record<string, string|number|undefined>} [query]
 * @param {unknown} [key] ask again when this changes
 * @returns {{answer: T|null, problem: string, again: () => void}}
 */
export function useAnswer(path, query = {}, key = '') {
  const { ask, node, t } = useTill();
  const [turn, setTurn] = useState(0);
  const [answer, setAnswer] = useState(/** @type {T|null} */ (null));
  const [problem, setProblem] = useState('');
  // What was refused is not asked again because something else changed.
  const kept = useRef(/** @type {unknown} */ (''));
  if (!problem) kept.current = key;
  const asked = JSON.stringify([path, query, kept.current, turn, node.streams]);
  useEffect(() => {
    if (!path) return undefined;
    let wanted = true;
    ask(path, query).then(
      (said) => wanted && (setAnswer(said), setProblem('')),
      (fault) => wanted && setProblem(fault instanceof Refusal ? fault.message : t('unreachable.title')),
    );
    return () => void (wanted = false);
  }, [asked]);
  return { answer, problem, again: () => setTurn(turn + 1) };
}
