/** The first start: the shop, and the person who runs it. */
import { html, useState } from '../vendor/htm-preact-standalone.module.js';
import { Icon } from '../parts/icons.js';
import { useTill } from '../till.js';
import { languages, named } from '../words.js';
import { words } from './signin.js';

/** @typedef {import('../contract.js').CountryRules} CountryRules */
/** @typedef {Record<string, string>} Form */

/** @param {{name: string, label: string, value: string, onInput: (name: string, value: string) => void, kind?: string, hint?: string, need?: boolean, digits?: string, pattern?: string}} props digits is a pattern that only digits fit */
export function Field({ name, label, value, onInput, kind = 'text', hint = '', need = true, digits = '', pattern = '' }) {
  return html`
    <label class="form-field"><span class="label">${label}</span>
      <input class="field" name=${name} type=${kind} required=${need} autocomplete="off" inputmode=${digits ? 'numeric' : undefined} pattern=${digits || pattern || undefined} value=${value} onInput=${(/** @type {any} */ e) => onInput(name, e.currentTarget.value)} />
      ${hint && html`<small>${hint}</small>`}
    </label>`;
}

/** @param {{name: string, label: string, value: string, choices: [string, string][], onInput: (name: string, value: string) => void}} props */
export function Choice({ name, label, value, choices, onInput }) {
  return html`
    <label class="form-field"><span class="label">${label}</span>
      <select class="field" name=${name} value=${value} onChange=${(/** @type {any} */ e) => onInput(name, e.currentTarget.value)}>
        ${choices.map(([id, said]) => html`<option key=${id} value=${id} selected=${id === value}>${said}</option>`)}
      </select>
    </label>`;
}

/** A rate in thousandths of a percent, as it is typed. @param {number} rate */
export const rateText = (rate) => String(rate / 1000);

/** What was typed as a rate, or -1. @param {string} text */
export const rateOf = (text) => (/^\d{1,3}([.,]\d{1,3})?$/.test(text.trim()) ? Math.round(Number(text.trim().replace(',', '.')) * 1000) : -1);

/** People beside the administrator, who may be added at once. */
const others = [{ who: 'seller', id: '2', role: 'supervisor' }, { who: 'responsible', id: '3', role: 'responsible' }];

/** What the shop does in another way than its country. @param {Form} form @param {CountryRules} rules */
function taxOf(form, rules) {
  const rates = rules.rates.filter((r) => form[`rate.${r.class}`] !== undefined && rateOf(form[`rate.${r.class}`]) !== r.rate).map((r) => ({ class: r.class, rate: rateOf(form[`rate.${r.class}`]) }));
  const tax = { ...(rates.length ? { rates } : {}), ...(form.prices === 'net' ? { prices: 'net' } : {}) };
  return Object.keys(tax).length ? { tax } : {};
}

/** The people whose name was given. @param {Form} form */
const peopleOf = (form) => others.filter((o) => form[`${o.who}.name`]).map((o) => ({ id: o.id, role: o.role, name: form[`${o.who}.name`], pin: form[`${o.who}.pin`] ?? '' }));

/** What the node is sent. @param {Form} form @param {CountryRules} rules @param {string} language */
function request(form, rules, language) {
  const { code, shopName, address, taxNumber, country, id, name, pin } = form;
  const step = rules.optional && form.cash === 'true' ? { cashStep: rules.cashStep } : {};
  const shop = { name: shopName, address: (address ?? '').split(',').map((a) => a.trim()).filter(Boolean), taxNumber: taxNumber ?? '', country, currency: rules.currency, language, ...step };
  const people = peopleOf(form);
  return { code: code.trim(), shop, administrator: { id, name, pin }, ...(people.length ? { people } : {}), ...taxOf(form, rules) };
}

export function Setup() {
  const { node, state, t, language, setLanguage } = useTill();
  const [form, setForm] = useState(/** @type {Form} */ ({ country: 'DE', id: '1' }));
  const [problem, setProblem] = useState('');
  const countries = state.countries ?? [];
  const rules = countries.find((c) => c.country === form.country) ?? { country: 'DE', currency: 'EUR', rates: [], cashStep: 1, optional: false };
  /** @param {string} name @param {string} value */
  const set = (name, value) => {
    if (name === 'language') setLanguage(value);
    const kept = name === 'country' ? Object.fromEntries(Object.entries(form).filter(([n]) => !n.startsWith('rate.'))) : form;
    setForm({ ...kept, [name]: value });
  };
  /** @param {Event} event */
  const send = async (event) => {
    event.preventDefault();
    if (form.pin !== form.again) return setProblem(t('setup.pins'));
    if (rules.rates.some((r) => rateOf(form[`rate.${r.class}`] ?? rateText(r.rate)) < 0)) return setProblem(t('tax.rate.bad'));
    return node.enter('/api/setup', request(form, rules, language)).catch((fault) => setProblem(words(fault, t('unreachable.title'))));
  };
  /** @param {string} name */
  const value = (name) => form[name] ?? '';
  return html`
    <main class="door" data-test="setup">
      <form class="door-card setup" onSubmit=${send}>
        <header><${Icon} name="seal" /><h1>${t('setup.title')}</h1></header>
        <p>${t('setup.words')}</p>
        <div class="form-grid">
          <${Choice} name="language" label=${t('language')} value=${language} choices=${Object.entries(languages)} onInput=${set} />
          <${Field} name="code" label=${t('setup.code')} hint=${t('setup.code.hint')} value=${value('code')} onInput=${set} />
        </div>
        <h2>${t('view.settings')}</h2>
        <div class="form-grid">
          <${Field} name="shopName" label=${t('shop.name')} value=${value('shopName')} onInput=${set} />
          <${Field} name="address" label=${t('shop.address')} value=${value('address')} onInput=${set} hint=${t('shop.address.hint')} />
          <${Country} value=${value('country')} countries=${countries} rules=${rules} onInput=${set} />
          <${Field} name="taxNumber" label=${t('shop.taxNumber')} value=${value('taxNumber')} onInput=${set} need=${false} />
        </div>
        <${Rates} form=${form} rules=${rules} onInput=${set} />
        <h2>${t('view.people')}</h2>
        <div class="form-grid">
          <${Field} name="name" label=${t('setup.person')} hint=${t('setup.person.hint')} value=${value('name')} onInput=${set} />
          <${Field} name="id" digits="[0-9]{1,12}" label=${t('setup.id')} hint=${t('setup.id.hint')} value=${value('id')} onInput=${set} />
          <${Field} name="pin" kind="password" digits="[0-9]{4,12}" label=${t('pin')} hint=${t('setup.pin.hint')} value=${value('pin')} onInput=${set} />
          <${Field} name="again" kind="password" digits="[0-9]{4,12}" label=${t('setup.again')} value=${value('again')} onInput=${set} />
          ${others.map((o) => html`
            <${Field} key=${o.who} name=${`${o.who}.name`} label=${t(`setup.${o.who}`)} hint=${t(`setup.${o.who}.hint`)} need=${false} value=${value(`${o.who}.name`)} onInput=${set} />
            <${Field} key=${`${o.who} pin`} name=${`${o.who}.pin`} kind="password" digits="[0-9]{4,12}" label=${t('setup.pin.of', { number: o.id })} need=${value(`${o.who}.name`) !== ''} value=${value(`${o.who}.pin`)} onInput=${set} />`)}
        </div>
        <p class="door-problem" role="alert">${problem}</p>
        <button type="submit" class="button big primary">${t('setup.send')}</button>
      </form>
    </main>`;
}

/** @param {{value: string, countries: CountryRules[], rules: CountryRules, onInput: (name: string, value: string) => void}} props the country, and what is paid with there */
function Country({ value, countries, rules, onInput }) {
  const { t, language } = useTill();
  const names = new Intl.DisplayNames([language], { type: 'region' });
  const choices = countries.map((c) => /** @type {[string, string]} */ ([c.country, `${names.of(c.country) ?? c.country} · ${c.currency}`])).sort((a, b) => a[1].localeCompare(b[1], language));
  return html`<${Choice} name="country" label=${t('shop.country')} value=${value || rules.country} choices=${choices} onInput=${onInput} />`;
}

/** @param {{form: Form, rules: CountryRules, onInput: (name: string, value: string) => void}} props the rates of the country, to be looked at and changed */
function Rates({ form, rules, onInput }) {
  const { t } = useTill();
  const step = (rules.cashStep / 100).toFixed(2);
  return html`
    <h2>${t('tax')}</h2>
    <p>${t('setup.tax.words')}</p>
    <div class="form-grid rates" data-test="setup-rates">
      ${rules.rates.map((r) => html`<${Field} key=${`${rules.country} ${r.class}`} name=${`rate.${r.class}`} label=${`${r.letter} · ${named(t, 'tax.class', r.class)} (%)`} value=${form[`rate.${r.class}`] ?? rateText(r.rate)} onInput=${onInput} />`)}
    </div>
    <div class="form-grid">
      <${Choice} name="prices" label=${t('tax.prices')} value=${form.prices ?? 'gross'} choices=${[['gross', t('tax.prices.gross')], ['net', t('tax.prices.net')]]} onInput=${onInput} />
      ${rules.cashStep > 1 && rules.optional && html`<${Choice} name="cash" label=${t('setup.cash', { step: step })} value=${form.cash ?? 'false'} choices=${[['false', t('no')], ['true', t('yes')]]} onInput=${onInput} />`}
      ${rules.cashStep > 1 && !rules.optional && html`<p class="setup-note">${t('setup.cash.law', { step: step })}</p>`}
    </div>`;
}
