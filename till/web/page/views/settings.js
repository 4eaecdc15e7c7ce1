/** The shop's profile. What the law fixes at the start is shown and cannot be changed here. */
import { html, useState } from '../vendor/htm-preact-standalone.module.js';
import { Dialog } from '../parts/dialog.js';
import { useAnswer, useTill } from '../till.js';
import { languages, named } from '../words.js';
import { Choice, Field, rateOf, rateText } from './setup.js';

/** @typedef {import('../contract.js').TaxRule} TaxRule */
/** @typedef {{rules: TaxRule[], today: TaxRule[], prices: string, method: string, standard: boolean}} Taxes */
/** @typedef {{shop: Record<string, unknown>, fixed: string[], tax: Taxes}} Profile */

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

/** What a setting can be, where that is a choice. @param {string} name @param {import('../words.js').Words} t @returns {[string, string][]|null} */
function choices(name, t) {
  switch (name) {
    case 'language': return Object.entries(languages);
    case 'columns': return [['0', t('shop.columns.usual')], ['32', '32 · 58 mm'], ['48', '48 · 80 mm']];
    case 'detail': return ['minimum', 'basic', 'detailed'].map((d) => [d, t(`shop.detail.${d}`)]);
    case 'noReceipt': return [['true', t('yes')], ['false', t('no')]];
    default: return null;
  }
}

export function Settings() {
  const { state } = useTill();
  const { answer, problem } = useAnswer('settings', {}, state.journal.size);
  if (problem) return html`<p class="empty-words">${problem}</p>`;
  return answer ? html`<${Profile} profile=${answer} /><${Tax} key=${JSON.stringify(answer.tax)} tax=${answer.tax} /><${End} />` : null;
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
        ${open.map((n) => choices(n, t)
          ? html`<${Choice} key=${n} name=${n} label=${label(n)} value=${changed[n] ?? asText(profile.shop[n])} choices=${choices(n, t)} onInput=${set} />`
          : html`<${Field} key=${n} name=${n} label=${label(n)} need=${false} value=${changed[n] ?? asText(profile.shop[n])} onInput=${set} />`)}
      </div>
      ${fixed.length > 0 && html`<h2>${t('settings.fixed')}</h2><dl class="facts">${fixed.map((n) => html`<div key=${n}><dt>${label(n)}</dt><dd>${asText(profile.shop[n])}</dd></div>`)}</dl>`}
      ${may('settings.change') && html`<div class="card-acts"><button type="submit" class="button big primary" disabled=${Object.keys(changed).length === 0}>${t('save')}</button></div>`}
    </form>`;
}

/** The rates in force, and those that a day to come brings. @param {{tax: Taxes}} props */
function Tax({ tax }) {
  const { t, f, run, say, may, state } = useTill();
  const tomorrow = new Date(new Date(state.clock.now).valueOf() + 86_400_000).toISOString().slice(0, 10);
  const [form, setForm] = useState(/** @type {Record<string, string>} */ ({ from: tomorrow, prices: tax.prices, method: tax.method }));
  /** @param {string} name @param {string} value */
  const set = (name, value) => setForm({ ...form, [name]: value });
  const rates = tax.today.filter((r) => r.rate > 0);
  const coming = tax.rules.filter((r) => r.from >= tomorrow).sort((a, b) => a.from.localeCompare(b.from));
  const moved = rates.filter((r) => form[r.class] !== undefined && rateOf(form[r.class]) !== r.rate);
  const policy = form.prices !== tax.prices || form.method !== tax.method;
  const bad = moved.some((r) => rateOf(form[r.class]) < 0) || !form.from;
  /** @param {object} args */
  const change = async (args) => {
    if (await run('tax.change', args)) say({ level: 'info', text: t('settings.saved') });
  };
  /** @param {Event} event */
  const send = (event) => {
    event.preventDefault();
    const kept = tax.rules.filter((r) => !moved.some((m) => m.class === r.class && r.from >= form.from));
    const rules = [...kept, ...moved.map((m) => ({ class: m.class, letter: m.letter, rate: rateOf(form[m.class]), from: form.from }))];
    return change({ ...(moved.length ? { rules } : {}), ...(policy ? { prices: form.prices, method: form.method } : {}) });
  };
  return html`
    <form class="card" onSubmit=${send} data-test="tax">
      <header class="card-head"><h2>${t('tax')}</h2><span>${tax.standard ? t('tax.standard') : t('tax.own')}</span></header>
      <p>${t('tax.words')}</p>
      <div class="form-grid">
        ${rates.map((r) => html`<${Field} key=${r.class} name=${`tax-${r.class}`} label=${`${r.letter} · ${named(t, 'tax.class', r.class)} (%)`} value=${form[r.class] ?? rateText(r.rate)} onInput=${(/** @type {string} */ _, /** @type {string} */ v) => set(r.class, v)} />`)}
        <${Field} name="from" kind="date" label=${t('tax.from')} value=${form.from} onInput=${set} />
        <${Choice} name="prices" label=${t('tax.prices')} value=${form.prices} choices=${[['gross', t('tax.prices.gross')], ['net', t('tax.prices.net')]]} onInput=${set} />
        <${Choice} name="method" label=${t('tax.method')} value=${form.method} choices=${[['receipt', t('tax.method.receipt')], ['line', t('tax.method.line')]]} onInput=${set} />
      </div>
      ${coming.length > 0 && html`<h3>${t('tax.coming')}</h3><dl class="facts">${coming.map((r) => html`<div key=${r.class + r.from}><dt>${f.day(r.from)}</dt><dd>${r.ended ? t('tax.ends', { class: named(t, 'tax.class', r.class) }) : `${r.letter} · ${f.percent(r.rate)}`}</dd></div>`)}</dl>`}
      ${may('tax.change') && html`<div class="card-acts">
        <button type="submit" class="button big primary" data-test="tax-take" disabled=${bad || (moved.length === 0 && !policy)}>${t('save')}</button>
        ${!tax.standard && html`<button type="button" class="button" onClick=${() => change({ builtIn: true })}>${t('tax.restore')}</button>`}
      </div>`}
    </form>`;
}

/** The end of a till: it cannot be undone, and says first what has to be done before. */
function End() {
  const { t, f, run, may, state } = useTill();
  const [open, setOpen] = useState(false);
  const [form, setForm] = useState(/** @type {Record<string, string>} */ ({ reason: '', keeper: '' }));
  /** @param {string} name @param {string} value */
  const set = (name, value) => setForm({ ...form, [name]: value });
  /** @param {Event} event */
  const send = async (event) => {
    event.preventDefault();
    if (await run('till.decommission', form)) setOpen(false);
  };
  if (state.ended) return html`<section class="card" data-test="ended"><h2>${t('ended.title')}</h2><p>${t('ended.words', { time: f.moment(state.ended) })}</p></section>`;
  return may('till.decommission') && html`
    <section class="card" data-test="end">
      <h2>${t('end')}</h2><p>${t('end.words')}</p>
      <div class="card-acts"><button type="button" class="button danger" data-test="end-begin" onClick=${() => setOpen(true)}>${t('end')}</button></div>
    </section>
    ${open && html`
      <${Dialog} title=${t('end')} onClose=${() => setOpen(false)} test="end-dialog">
        <form class="stack" onSubmit=${send}>
          <p><b>${t('end.never')}</b></p>
          <${Field} name="end-reason" label=${t('reason')} value=${form.reason} onInput=${(/** @type {string} */ _, /** @type {string} */ v) => set('reason', v)} />
          <${Field} name="end-keeper" label=${t('end.keeper')} hint=${t('end.keeper.hint')} value=${form.keeper} onInput=${(/** @type {string} */ _, /** @type {string} */ v) => set('keeper', v)} />
          <button type="submit" class="button big danger" data-test="end-take">${t('end')}</button>
        </form>
      <//>`}`;
}
