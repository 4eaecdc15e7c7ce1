/**
 * What the node says about the till's software, as the screen needs it: how far
 * an update is, whether the till is about to start again, whether selling is
 * stopped. Pure, and in no language.
 */

/** @typedef {import('./contract.js').Software} Software */

/** The stations of an update, as people see them. */
export const stations = /** @type {const} */ (['offered', 'fetched', 'checked', 'agreed', 'installed', 'restarted', 'kept']);

/** How many stations are passed once the agent has reached a stage (package update, Stage). @type {Record<string, number>} */
const passed = {
  announced: 1, downloaded: 2, transmission: 2, authenticity: 2, compatibility: 2, certification: 3,
  consent: 4, gate: 4, installed: 4, verified: 5, pointer: 5, trial: 6, kept: 7,
};

/**
 * The station that is worked at, as a place in stations.
 * @param {Software|null|undefined} software
 */
export const station = (software) => (software?.update ? passed[software.update.stage] ?? 0 : software?.trial ? 6 : 0);

/** The pointer is set, or about to be: the till ends by itself and starts again. @param {Software|null|undefined} software */
export const restarting = (software) => software?.stopped === 'software-changing' || ['verified', 'pointer'].includes(software?.update?.stage ?? '');

/** What the till fetches, of what there is to fetch; null where it fetches nothing. @param {Software|null|undefined} software */
export function fetching(software) {
  const update = software?.update;
  if (!update || station(software) !== 1 || update.total <= 0) return null;
  return { bytes: Math.min(update.bytes, update.total), total: update.total };
}

/** Why nothing new is sold: '' where selling is not stopped for longer than a restart. @param {Software|null|undefined} software @returns {""|"withdrawn"|"stale"|"overdue"} */
export function stopped(software) {
  if (software?.stopped === 'software-blocked') return 'withdrawn';
  if (software?.stopped !== 'software-stale') return '';
  return software.update?.overdue && !software.update.agreed ? 'overdue' : 'stale';
}

/** Whether somebody may decide now, and about what. @param {Software|null|undefined} software @returns {""|"install"|"spend"} */
export function asked(software) {
  const update = software?.update;
  if (!update) return '';
  if (update.waiting === 'spend') return 'spend';
  return update.agreed || station(software) > 3 ? '' : 'install';
}

/** What the update waits for; sales that are put aside are open too. @param {import('./contract.js').State} state @returns {string} */
export function waits({ software, basket, suspended }) {
  const what = software?.update?.waiting ?? '';
  return what === 'sale' && !basket?.lines.length && suspended.length > 0 ? 'parked' : what;
}

/** Put off, and not yet time to ask again. @param {Software} software @param {string} now */
export const putOff = ({ update }, now) => Boolean(update?.later && !update.overdue && new Date(update.later) > new Date(now));

/** The parts of an identity (0 or 1, company, model, version, date); null for anything else. @param {string} identity */
export function parse(identity) {
  const m = /^([01])([\x21-\x7e]{3})([\x21-\x7e]{3})([\x21-\x7e]{2})-(\d{4})(\d{2})(\d{2})$/.exec(identity);
  return m && { company: m[2], model: m[3], version: m[4], date: `${m[5]}-${m[6]}-${m[7]}T12:00:00` };
}

/** The version in an identity, or all of it. @param {string} identity */
export const version = (identity) => parse(identity)?.version.replace(/^0(?=.)/, '') ?? identity;

/** The version of an update, and that it is the operating system's where it is. @param {{identity: string, of?: string}} of @param {import('./words.js').Words} t */
export const named = (of, t) => of.of === 'platform' ? `${version(of.identity)} (${t('software.platform')})` : version(of.identity);

/** What runs, of the same line as an update. @param {Software} software @param {{of?: string}} of */
export const runs = (software, of) => of.of === 'platform' ? software.platform?.identity ?? '' : software.identity;

/**
 * Moments to be asked again, none after the deadline.
 * @param {Date} now
 * @param {string|undefined} deadline
 * @returns {{name: "hour"|"tonight"|"tomorrow", at: Date}[]}
 */
export function moments(now, deadline) {
  const evening = new Date(now);
  evening.setHours(21, 0, 0, 0);
  const next = new Date(evening);
  next.setDate(next.getDate() + 1);
  const all = [
    { name: /** @type {const} */ ('hour'), at: new Date(now.getTime() + 3_600_000) },
    { name: /** @type {const} */ ('tonight'), at: evening },
    { name: /** @type {const} */ ('tomorrow'), at: next },
  ];
  const last = deadline ? new Date(deadline) : null;
  return all.filter((m) => m.at > now && (!last || m.at <= last));
}

/** The launcher's reasons for a fall-back (package update/slot, Reason), by our keys. @type {Record<string, string>} */
const reasons = { verification: 'verification', crash: 'crash', 'no sign of health in time': 'silent', 'too many starts without an outcome': 'cuts' };

/** Why a version did not stay, in the shop's language where the launcher's line is known: "fell back: slot b 0PLM… (crash)". @param {string} detail @param {import('./words.js').Words} t */
export function why(detail, t) {
  const known = reasons[/\(([^()]+)\)$/.exec(detail)?.[1] ?? ''];
  return known ? t(`software.why.${known}`) : detail;
}

/** What runs out, and when (package update, Agent.Freshness), in the shop's language where the sentence is known. @param {string} warn @param {import('./words.js').Words} t @param {import('./format.js').Formats} f */
export function age(warn, t, f) {
  const known = /^(what is known of releases|the right to run this software) (runs|ran) out on (\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)$/.exec(warn);
  if (!known) return warn;
  return t(`software.age.${known[1].startsWith('what') ? 'knowledge' : 'right'}.${known[2]}`, { time: f.moment(`${known[3]}T${known[4]}Z`) });
}

/** Who withdrew, in words: the maker, or a body by its name. @param {string} by @param {import('./words.js').Words} t */
export const party = (by, t) => (by === 'maker' ? t('software.maker') : by);

const kept = 'plomb.software.';

/** Whether this screen has put a message away. @param {string} what */
export const away = (what) => localStorage.getItem(kept + what.split(' ')[0]) === what;

/** Puts a message away on this screen; the newest of its kind is enough. @param {string} what */
export const put = (what) => localStorage.setItem(kept + what.split(' ')[0], what);
