/** The shop's profile. What the law fixes at the start is shown and cannot be changed here. */
import { html, useState } from '../vendor/htm-preact-standalone.module.js';
import { useAnswer, useTill } from '../till.js';
import { Field } from './setup.js';

/** @typedef {{shop: Record<string, unknown>, fixed: string[]}} Profile */

/** @param {unknown} value as one line of text */
const asText = (value) => (Array.isArray(value) ? value.join(', ') : value === null || value === undefined ? '' : String(value));

/** The text as the kind of value it was. @param {string} text @param {unknown} before @returns {unknown} */
function asBefore(text, before) {
  if (Array.isArray(before)) {
    const parts = text.split(',').map((part) => part.trim()).filter(Boolean);
    return before.some((b) => typeof b === 'number') ? parts.map(Number) : parts;
  }
  if (typeof before === 'number') return Number(text);
  if (typeof before === 'boolean') return text === 'true';
  return text;
}

/** Only what people can read as one line is edited here. @param {unknown} value */
const plain = (value) => ['string', 'number', 'boolean'].includes(typeof value) || (Array.isArray(value) && value.every((v) => typeof v !== 'object'));

export function Settings() {
  const { answer, problem } = useAnswer('settings');
  if (problem) return html`<p class="empty-words">${problem}</p>`;
  return answer ? html`<${Profile} profile=${answer} />` : null;
}

/** @param {{profile: Profile}} props */
function Profile({ profile }) {
  const { t, run, say, may } = useTill();
  const [changed, setChanged] = useState(/** @type {Record<string, string>} */ ({}));
  const fixed = profile.fixed ?? [];
  const names = Object.keys(profile.shop).filter((n) => plain(profile.shop[n]));
  /** @param {string} name */
  const label = (name) => (t(`shop.${name}`) === `shop.${name}` ? name : t(`shop.${name}`));
  /** @param {Event} event */
  const send = async (event) => {
    event.preventDefault();
    const args = Object.fromEntries(Object.entries(changed).map(([n, v]) => [n, asBefore(v, profile.shop[n])]));
    if (await run('settings.change', args)) (setChanged({}), say({ level: 'info', text: t('settings.saved') }));
  };
  return html`
    <form class="card" onSubmit=${send} data-test="settings">
      <div class="form-grid">
        ${names.filter((n) => !fixed.includes(n)).map((n) => html`<${Field} key=${n} name=${n} label=${label(n)} need=${false} value=${changed[n] ?? asText(profile.shop[n])} onInput=${(/** @type {string} */ name, /** @type {string} */ value) => setChanged({ ...changed, [name]: value })} />`)}
      </div>
      ${fixed.length > 0 && html`<h2>${t('settings.fixed')}</h2><dl class="facts">${fixed.map((n) => html`<div key=${n}><dt>${label(n)}</dt><dd>${asText(profile.shop[n])}</dd></div>`)}</dl>`}
      ${may('settings.change') && html`<div class="card-acts"><button type="submit" class="button big primary" disabled=${Object.keys(changed).length === 0}>${t('save')}</button></div>`}
    </form>`;
}
