/**
 * Figures as people read them. Amounts stay integers: they become decimal
 * strings by moving the point in the text, and Intl formats strings. Nothing
 * here adds, multiplies or divides money.
 */

/**
 * The decimal string of an integer with so many decimal places.
 * @param {number} integer
 * @param {number} places
 */
export function decimal(integer, places) {
  const sign = integer < 0 ? '-' : '';
  const digits = String(Math.abs(integer)).padStart(places + 1, '0');
  const cut = digits.length - places;
  return places === 0 ? sign + digits : `${sign}${digits.slice(0, cut)}.${digits.slice(cut)}`;
}

/** @param {string} text a decimal string @returns {any} what Intl takes without making it a float */
const exact = (text) => text;

/** @type {Record<string, string[]>} where a language is at home; the first is its usual country */
const homes = { en: ['GB', 'US', 'IE', 'AU', 'CA', 'NZ'], de: ['DE', 'AT', 'CH', 'LI', 'LU'], pl: ['PL'], zh: ['CN', 'SG', 'TW', 'HK'] };

/**
 * The shop's country where the language is spoken there, else the language's
 * own: a mixture would put a German comma into English figures.
 * @param {string} language
 * @param {string} [country]
 */
function localeOf(language, country = '') {
  const at = homes[language] ?? [];
  return `${language}-${at.includes(country) ? country : at[0] ?? 'GB'}`;
}

/** @typedef {ReturnType<typeof formats>} Formats */

/**
 * The formats of one shop in one language.
 * @param {string} language
 * @param {{country?: string, currency?: string, exponent?: number, zone?: string}} shop
 */
export function formats(language, shop) {
  const locale = localeOf(language, shop.country);
  const exponent = shop.exponent ?? 2;
  const currency = shop.currency || 'EUR';
  const money = new Intl.NumberFormat(locale, { style: 'currency', currency, minimumFractionDigits: exponent, maximumFractionDigits: exponent });
  const plain = new Intl.NumberFormat(locale, { minimumFractionDigits: exponent, maximumFractionDigits: exponent });
  const price = new Intl.NumberFormat(locale, { style: 'currency', currency, minimumFractionDigits: exponent, maximumFractionDigits: 6 });
  const number = new Intl.NumberFormat(locale, { maximumFractionDigits: 6 });
  const timeZone = shop.zone || undefined; // the shop's, wherever the screen is
  const clock = new Intl.DateTimeFormat(locale, { timeZone, hour: '2-digit', minute: '2-digit' });
  const day = new Intl.DateTimeFormat(locale, { timeZone, dateStyle: 'medium' });
  const soon = new Intl.DateTimeFormat(locale, { timeZone, weekday: 'short', hour: '2-digit', minute: '2-digit' });
  const moment = new Intl.DateTimeFormat(locale, { timeZone, dateStyle: 'medium', timeStyle: 'short' });
  return {
    exponent,
    /** @param {number} minor */
    money: (minor) => money.format(exact(decimal(minor, exponent))),
    /** @param {number} minor without the currency's sign */
    plain: (minor) => plain.format(exact(decimal(minor, exponent))),
    /** @param {number} millionths */
    price: (millionths) => price.format(exact(decimal(millionths, 6))),
    /** @param {number} millionths */
    quantity: (millionths) => number.format(exact(decimal(millionths, 6))),
    /** @param {number} thousandths of a percent */
    percent: (thousandths) => `${number.format(exact(decimal(thousandths, 3)))} %`,
    /** @param {number} integer */
    count: (integer) => number.format(integer),
    /** @param {string|null} time */
    clock: (time) => said(time, clock),
    /** @param {string|null} time */
    moment: (time) => said(time, moment),
    /** @param {string|null} time */
    day: (time) => said(time, day),
    /** @param {string|null} time within the next days: weekday and clock */
    soon: (time) => said(time, soon),
    /** @param {number} count */
    bytes: (count) => inBytes(count, locale),
    /** @param {number} seconds roughly, as people say it */
    span: (seconds) => span(seconds, locale),
    /** @param {number} part @param {number} whole */
    share: (part, whole) => new Intl.NumberFormat(locale, { style: 'percent' }).format(whole > 0 ? part / whole : 0),
  };
}

/** @param {number} count @param {string} locale */
function inBytes(count, locale) {
  const [unit, size] = count >= 1e9 ? ['gigabyte', 1e9] : count >= 1e6 ? ['megabyte', 1e6] : ['kilobyte', 1e3];
  return new Intl.NumberFormat(locale, { style: 'unit', unit: String(unit), maximumFractionDigits: 1 }).format(count / Number(size));
}

/** @param {number} seconds @param {string} locale */
function span(seconds, locale) {
  const [unit, size] = seconds >= 129_600 ? ['day', 86_400] : seconds >= 5_400 ? ['hour', 3_600] : seconds >= 90 ? ['minute', 60] : ['second', 1];
  return new Intl.NumberFormat(locale, { style: 'unit', unit: String(unit), unitDisplay: 'long', maximumFractionDigits: 0 }).format(Math.max(1, Math.round(seconds / Number(size))));
}

/** @param {string|null} time @param {Intl.DateTimeFormat} format */
function said(time, format) {
  if (!time) return '';
  const at = new Date(time);
  return Number.isNaN(at.valueOf()) ? '' : format.format(at);
}

/**
 * What was typed on a keypad, as an integer with so many more places: "12" with
 * 6 is 12000000. Places are added as text.
 * @param {string} digits
 * @param {number} places
 */
export const typed = (digits, places) => Number(`${digits || '0'}${'0'.repeat(places)}`);
