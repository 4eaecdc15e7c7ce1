/** Paying: what is due stands large, one touch on a note finishes most sales. */
import { html, useState } from '../vendor/htm-preact-standalone.module.js';
import { typed } from '../format.js';
import { useKeys } from '../keys.js';
import { useTill } from '../till.js';
import { long } from './basket.js';
import { Dialog } from './dialog.js';
import { Icon } from './icons.js';
import { Keypad } from './keypad.js';

/** @typedef {import('../contract.js').Basket} Basket */

/** @param {{basket: Basket, onClose: () => void, onTender: (args: object) => Promise<any>}} props */
export function Tendering({ basket, onClose, onTender }) {
  const { t, f, state, run } = useTill();
  const [digits, setDigits] = useState('');
  const [type, setType] = useState(state.shop.tenders[0] ?? 'cash');
  const [currency, setCurrency] = useState('');
  const [tip, setTip] = useState(0);
  const [busy, setBusy] = useState(false);
  const back = basket.mode === 'return';
  const due = type === 'cash' ? basket.dueCash ?? basket.due : basket.due;

  /** @param {number} [amount] none: all that is due */
  const pay = async (amount) => {
    if (busy) return;
    setBusy(true);
    await onTender({ type, ...(amount === undefined ? {} : { amount }), ...(currency ? { currency } : {}), ...(tip ? { tip } : {}), complete: true });
    setDigits('');
    setTip(0);
    setBusy(false);
  };
  const enter = () => pay(digits ? typed(digits, 0) : undefined);
  useKeys({ Enter: enter, F9: () => pay() });

  return html`
    <${Dialog} title=${back ? t('tender.back') : t('tender.title')} onClose=${onClose} kind="tender" test="tender">
      <div class="tender-left">
        <p class="due"><span>${basket.tenders.length ? t('sum.due') : back ? t('sum.back') : t('sum.total')}</span><strong data-test="due" class=${long(f.money(due))}>${f.money(due)}</strong></p>
        <div class="types" role="group" aria-label=${t('tender.type')}>
          ${state.shop.tenders.map((name) => html`
            <button type="button" key=${name} class="type" aria-pressed=${type === name} data-test=${`tender-${name}`}
              onClick=${() => (setType(name), setCurrency(''))}><${Icon} name=${name} />${t(`tender.${name}`)}</button>`)}
        </div>
        ${!back && html`
          <div class="types small">
            ${type === 'cash' && state.shop.currencies.length > 0 && ['', ...state.shop.currencies.map((c) => c.code)].map((c) => html`
              <button type="button" key=${c} class="chip" aria-pressed=${currency === c} onClick=${() => setCurrency(c)}>${c || state.shop.currency}</button>`)}
            <button type="button" class="chip" aria-pressed=${tip > 0} data-test="tip" disabled=${busy || !(digits || tip)}
              onClick=${() => (setTip(digits ? typed(digits, 0) : 0), setDigits(''))}>${tip ? t('tender.tip.of', { amount: f.money(tip) }) : t('tender.tip')}</button>
          </div>`}
        ${basket.tenders.length > 0 && html`
          <ul class="taken" data-test="taken">
            ${basket.tenders.map((p) => html`
              <li key=${p.no}><span>${t(`tender.${p.type}`)}</span><b>${f.plain(p.amount)} ${p.currency}</b>
                <button type="button" class="icon-button" aria-label=${t('tender.undo')} onClick=${() => run('basket.untender', { number: p.no })}><${Icon} name="undo" /></button></li>`)}
          </ul>`}
        <div class="quick">
          <button type="button" class="button big primary" data-test="exact" disabled=${busy} onClick=${() => pay()}>
            ${back ? t('tender.payout', { amount: f.money(due) }) : type === 'cash' ? t('tender.exact', { amount: f.money(due) }) : t('tender.all', { amount: f.money(due), type: t(`tender.${type}`) })}<kbd>F9</kbd>
          </button>
          ${type === 'cash' && !back && !currency && state.shop.quickCash.filter((q) => q > due).map((q) => html`
            <button type="button" key=${q} class="button big note" data-test=${`quick-${q}`} disabled=${busy} onClick=${() => pay(q)}>${f.money(q)}</button>`)}
        </div>
      </div>
      <${Keypad} digits=${digits} onDigits=${setDigits} onEnter=${enter} label=${currency ? t('tender.given.in', { currency }) : t('tender.given')} show=${digits ? f.plain(typed(digits, 0)) : f.plain(0)}>
        <button type="button" class="button big primary" data-test="take" disabled=${busy || !digits} onClick=${enter}>${t('tender.take')}<kbd>Enter</kbd></button>
      <//>
    <//>`;
}
