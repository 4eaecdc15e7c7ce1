/** What is done seldom with a basket or an article: a price is asked for, a receipt written by hand is recorded. */
import { html, useState } from '../vendor/htm-preact-standalone.module.js';
import { useTill } from '../till.js';
import { Field } from '../views/setup.js';
import { Dialog } from './dialog.js';
import { Icon } from './icons.js';
import { Reason } from './questions.js';

/** @typedef {{sku: string, name: string, unit: string, unitPrice: number, open: boolean}} LookedUp */

/** The price of an article that nobody buys yet: scanned, or typed as its number. */
export function PriceCheck() {
  const { t, f, run, openSheet } = useTill();
  const [code, setCode] = useState('');
  const [found, setFound] = useState(/** @type {LookedUp|null} */ (null));
  /** @param {Event} event */
  const send = async (event) => {
    event.preventDefault();
    setFound(await run('articles.lookup', { code: code.trim() }));
    setCode('');
  };
  return html`
    <${Dialog} title=${t('price.check')} onClose=${() => openSheet('')} test="price-check">
      <form class="stack" onSubmit=${send}>
        <label class="form-field"><span class="label">${t('price.check.code')}</span>
          <input class="field" name="price-code" data-typing required autocomplete="off" value=${code} onInput=${(/** @type {any} */ e) => setCode(e.currentTarget.value)} /></label>
        <button type="submit" class="button big primary">${t('price.check.ask')}<kbd>Enter</kbd></button>
      </form>
      ${found && html`<p class="price-found" role="status" data-test="price-found"><b>${found.name}</b><strong>${found.open ? t('price.open') : f.price(found.unitPrice)}</strong>${found.unit !== 'piece' ? html`<small>/ ${t(`unit.${found.unit}`)}</small>` : ''}</p>`}
    <//>`;
}

/** A time as the browser's field for it writes it, in this screen's zone. @param {Date} at */
const local = (at) => new Date(at.valueOf() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);

/** The basket was sold while the till did not work, and its receipt was written by hand. */
export function Late() {
  const { t, state, run, openSheet, setFinished } = useTill();
  const [form, setForm] = useState(/** @type {Record<string, string>} */ ({ number: '', issuedAt: local(new Date(state.clock.now)), reason: '', type: state.shop.tenders[0] ?? 'cash' }));
  /** @param {string} name @param {string} value */
  const set = (name, value) => setForm({ ...form, [name]: value });
  const due = state.basket?.due ?? 0;
  /** @param {Event} event */
  const send = async (event) => {
    event.preventDefault();
    if (due > 0 && !await run('basket.tender', { type: form.type })) return;
    const said = await run('sale.late', { number: form.number, issuedAt: new Date(form.issuedAt).toISOString(), reason: form.reason });
    if (said?.receipt) (openSheet(''), setFinished(said.receipt));
  };
  return html`
    <${Dialog} title=${t('late.title')} onClose=${() => openSheet('')} test="late">
      <form class="stack" onSubmit=${send}>
        <p>${t('late.words')}</p>
        <${Field} name="number" label=${t('late.number')} value=${form.number} onInput=${set} />
        <${Field} name="issuedAt" kind="datetime-local" label=${t('late.at')} value=${form.issuedAt} onInput=${set} />
        <div class="types" role="group" aria-label=${t('tender.type')}>
          ${state.shop.tenders.map((name) => html`<button type="button" key=${name} class="type" aria-pressed=${form.type === name} onClick=${() => set('type', name)}><${Icon} name=${name} />${t(`tender.${name}`)}</button>`)}
        </div>
        <${Reason} value=${form.reason} onPick=${(/** @type {string} */ v) => set('reason', v)} reasons=${['reason.power', 'reason.broken']} />
        <button type="submit" class="button big primary" data-test="late-take" disabled=${!form.reason}>${t('late.take')}</button>
      </form>
    <//>`;
}
