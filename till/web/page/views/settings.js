/** The shop's profile. What the law fixes at the start is shown and cannot be changed here. */
import { html, useState } from '../vendor/htm-preact-standalone.module.js';
import { useAnswer, useTill } from '../till.js';
import { Choice, Field } from './setup.js';

/** @typedef {{shop: Record<string, unknown>, fixed: string[]}} Profile */

/** @param {unknown} value as one line of text @returns {string} */
function asText(value) {
  if (Array.isArray(value)) return value.map(asText).join(', ');
  if (value && typeof value === 'object') return Object.values(value).join(' ');
  return value === null || value === undefined ? '' : String(value);
}

/** The text as the kind of value it was. @param {string} name @param {string} text @param {unknown} before @returns {unknown} */
function asBefore(name, text, before) {
  if (Array.isArray(before)) return text.split(',').map((part) => part.trim()).filter(Boolean).map((part) => element(name, part));
  if (typeof before === 'number') return Number(text);
  if (typeof before === 'boolean') return text === 'true';
  return text;
}

/** @param {string} name @param {string} text @returns {unknown} */
function element(name, text) {
  if (name === 'quickCash') return Number(text);
  if (name !== 'currencies') return text;
  const [code, rate = ''] = text.split(/\s+/);
  return { code, rate };
}

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
  const open = Object.keys(profile.shop).filter((n) => !fixed.includes(n) && n !== 'roles'); // roles are no line of text
  /** @param {string} name */
  const label = (name) => (t(`shop.${name}`) === `shop.${name}` ? name : t(`shop.${name}`));
  /** @param {string} name @param {string} value */
  const set = (name, value) => setChanged({ ...changed, [name]: value });
  /** @param {Event} event */
  const send = async (event) => {
    event.preventDefault();
    const args = Object.fromEntries(Object.entries(changed).map(([n, v]) => [n, asBefore(n, v, profile.shop[n])]));
    if (await run('settings.change', args)) (setChanged({}), say({ level: 'info', text: t('settings.saved') }));
  };
  return html`
    <form class="card" onSubmit=${send} data-test="settings">
      <div class="form-grid">
        ${open.map((n) => typeof profile.shop[n] === 'boolean'
          ? html`<${Choice} key=${n} name=${n} label=${label(n)} value=${changed[n] ?? asText(profile.shop[n])} choices=${[['true', t('yes')], ['false', t('no')]]} onInput=${set} />`
          : html`<${Field} key=${n} name=${n} label=${label(n)} need=${false} value=${changed[n] ?? asText(profile.shop[n])} onInput=${set} />`)}
      </div>
      ${fixed.length > 0 && html`<h2>${t('settings.fixed')}</h2><dl class="facts">${fixed.map((n) => html`<div key=${n}><dt>${label(n)}</dt><dd>${asText(profile.shop[n])}</dd></div>`)}</dl>`}
      ${may('settings.change') && html`<div class="card-acts"><button type="submit" class="button big primary" disabled=${Object.keys(changed).length === 0}>${t('save')}</button></div>`}
    </form>`;
}
