/**
 * The page's words in four languages: i18n/<language>.json, flat keys, {names}
 * for what is put in. A key that ends in .one, .few, .many or .other is one form
 * of a plural.
 */

export const languages = { en: 'English', de: 'Deutsch', pl: 'Polski', zh: '中文' };

/** @typedef {(key: string, values?: Record<string, string|number>) => string} Words */

/** @type {Record<string, Record<string, string>>} */
const loaded = {};

/**
 * Loads one language once; an unknown one is answered with English.
 * @param {string} language
 * @returns {Promise<Words>}
 */
export async function load(language) {
  const name = language in languages ? language : 'en';
  if (!loaded[name]) {
    const answer = await fetch(`/i18n/${name}.json`);
    if (!answer.ok) throw new Error(`words of ${name}: ${answer.status}`);
    loaded[name] = await answer.json();
  }
  document.documentElement.lang = name;
  return speaker(name, loaded[name]);
}

/**
 * @param {string} language
 * @param {Record<string, string>} table
 * @returns {Words}
 */
function speaker(language, table) {
  const plural = new Intl.PluralRules(language);
  return (key, values = {}) => {
    const form = typeof values.count === 'number' ? table[`${key}.${plural.select(values.count)}`] ?? table[`${key}.other`] : undefined;
    const text = form ?? table[key] ?? key;
    return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
  };
}

/** The words for a thing that may have none, such as a role of the shop's own. @param {Words} t @param {string} of @param {string} id */
export const named = (t, of, id) => (t(`${of}.${id}`) === `${of}.${id}` ? id : t(`${of}.${id}`));

const key = 'plomb.language';

/** The language chosen on this screen, or "" if none was. */
export const chosen = () => localStorage.getItem(key) ?? '';

/** @param {string} language */
export const choose = (language) => localStorage.setItem(key, language);

/** The browser's own language, as one of ours. */
export const native = () => {
  const wish = (navigator.language || 'en').slice(0, 2);
  return wish in languages ? wish : 'en';
};
