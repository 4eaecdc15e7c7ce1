/** The first start: the shop, and the person who runs it. */
import { html, useState } from '../vendor/htm-preact-standalone.module.js';
import { Icon } from '../parts/icons.js';
import { useTill } from '../till.js';
import { languages } from '../words.js';
import { words } from './signin.js';

/** Countries with what their shops usually have. The node decides; this only fills in. */
const countries = {
  AT: 'EUR', BE: 'EUR', CH: 'CHF', CZ: 'CZK', DE: 'EUR', DK: 'DKK', ES: 'EUR', FI: 'EUR', FR: 'EUR', GB: 'GBP', HU: 'HUF',
  IT: 'EUR', LU: 'EUR', NL: 'EUR', NO: 'NOK', PL: 'PLN', PT: 'EUR', SE: 'SEK', SK: 'EUR',
};

/** @param {{name: string, label: string, value: string, onInput: (name: string, value: string) => void, kind?: string, hint?: string, need?: boolean, digits?: string}} props digits is a pattern that only digits fit */
export function Field({ name, label, value, onInput, kind = 'text', hint = '', need = true, digits = '' }) {
  return html`
    <label class="form-field"><span class="label">${label}</span>
      <input class="field" name=${name} type=${kind} required=${need} autocomplete="off" inputmode=${digits ? 'numeric' : undefined} pattern=${digits || undefined} value=${value} onInput=${(/** @type {any} */ e) => onInput(name, e.currentTarget.value)} />
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

export function Setup() {
  const { node, t, language, setLanguage } = useTill();
  const [form, setForm] = useState(/** @type {Record<string, string>} */ ({ country: 'DE', currency: 'EUR', id: '1' }));
  const [problem, setProblem] = useState('');
  const region = new Intl.DisplayNames([language], { type: 'region' });
  /** @param {string} name @param {string} value */
  const set = (name, value) => {
    if (name === 'language') setLanguage(value);
    const usual = countries[/** @type {keyof typeof countries} */ (value)];
    const currency = name === 'country' && usual ? usual : form.currency;
    setForm({ ...form, currency, [name]: value });
  };
  /** @param {Event} event */
  const send = async (event) => {
    event.preventDefault();
    if (form.pin !== form.again) return setProblem(t('setup.pins'));
    const { code, shopName, address, taxNumber, country, currency, id, name, pin } = form;
    const shop = { name: shopName, address: (address ?? '').split(',').map((a) => a.trim()).filter(Boolean), taxNumber: taxNumber ?? '', country, currency, language };
    return node.enter('/api/setup', { code: code.trim(), shop, administrator: { id, name, pin } }).catch((fault) => setProblem(words(fault, t('unreachable.title'))));
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
          <${Field} name="shopName" label=${t('shop.name')} value=${value('shopName')} onInput=${set} />
          <${Field} name="address" label=${t('shop.address')} value=${value('address')} onInput=${set} hint=${t('shop.address.hint')} />
          <${Choice} name="country" label=${t('shop.country')} value=${value('country')} choices=${Object.keys(countries).map((c) => [c, region.of(c) ?? c])} onInput=${set} />
          <${Choice} name="currency" label=${t('shop.currency')} value=${value('currency')} choices=${[...new Set(Object.values(countries))].map((c) => [c, c])} onInput=${set} />
          <${Field} name="taxNumber" label=${t('shop.taxNumber')} value=${value('taxNumber')} onInput=${set} need=${false} />
          <${Field} name="id" digits="[0-9]{1,12}" label=${t('setup.id')} hint=${t('setup.id.hint')} value=${value('id')} onInput=${set} />
          <${Field} name="name" label=${t('setup.person')} value=${value('name')} onInput=${set} />
          <${Field} name="pin" kind="password" digits="[0-9]{4,12}" label=${t('pin')} hint=${t('setup.pin.hint')} value=${value('pin')} onInput=${set} />
          <${Field} name="again" kind="password" digits="[0-9]{4,12}" label=${t('setup.again')} value=${value('again')} onInput=${set} />
        </div>
        <p class="door-problem" role="alert">${problem}</p>
        <button type="submit" class="button big primary">${t('setup.send')}</button>
      </form>
    </main>`;
}
