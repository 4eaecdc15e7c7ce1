/** Cash that a dispenser pays: what is under way, and a person's word where the device cannot tell. */
import { html, useState } from '../vendor/htm-preact-standalone.module.js';
import { typed } from '../format.js';
import { useTill } from '../till.js';
import { Dialog } from './dialog.js';
import { Icon } from './icons.js';
import { Keypad } from './keypad.js';
import { Reason } from './questions.js';

/** @typedef {import('../contract.js').Dispense} Dispense */

/** Asks what became of a payment, and records the answer. @param {{dispense: Dispense, onClose: () => void}} props */
export function Decide({ dispense, onClose }) {
  const { t, f, run } = useTill();
  const [paid, setPaid] = useState('');
  const [digits, setDigits] = useState('');
  const [reason, setReason] = useState('');
  const part = paid === 'part';
  const enter = async () => {
    if (!paid || !reason || (part && !digits)) return;
    const args = { intent: dispense.intent, paid: paid !== 'nothing', reason, ...(part ? { amount: typed(digits, 0) } : {}) };
    if (await run('dispense.decide', args)) onClose();
  };
  return html`
    <${Dialog} title=${t('dispense.what', { amount: f.money(dispense.amount) })} onClose=${onClose} kind="wide" test="dispense-decide">
      <div>
        <p>${t('dispense.look')}</p>
        <div class="types" role="group" aria-label=${t('dispense.found')}>
          ${['all', 'nothing', 'part'].map((what) => html`
            <button type="button" key=${what} class="type" data-test=${`dispense-${what}`} aria-pressed=${paid === what} onClick=${() => setPaid(what)}>${t(`dispense.${what}`, { amount: f.money(dispense.amount) })}</button>`)}
        </div>
        <${Reason} value=${reason} onPick=${setReason} reasons=${['reason.seen', 'reason.asked', 'reason.counted']} />
        ${!part && html`<button type="button" class="button big primary" data-test="dispense-take" disabled=${!paid || !reason} onClick=${enter}>${t('dispense.record')}</button>`}
      </div>
      ${part && html`
        <${Keypad} digits=${digits} onDigits=${setDigits} onEnter=${enter} label=${t('dispense.has')} show=${f.plain(typed(digits, 0))}>
          <button type="button" class="button big primary" data-test="dispense-take" disabled=${!digits || !reason} onClick=${enter}>${t('dispense.record')}<kbd>Enter</kbd></button>
        <//>`}
    <//>`;
}

/** Stands in the banner of a payment whose outcome is open. */
export function DecideButton() {
  const { state, t, may } = useTill();
  const [asking, setAsking] = useState(false);
  const open = state.dispense;
  if (!open?.decide || !may('dispense.decide')) return null;
  return html`
    <button type="button" class="button small" data-test="dispense-ask" onClick=${() => setAsking(true)}>${t('dispense.enter')}</button>
    ${asking && html`<${Decide} dispense=${open} onClose=${() => setAsking(false)} />`}`;
}

/** What the dispenser did with the change, after a sale. @param {{number: number, dispensed: string|undefined}} props */
export function Dispensed({ number, dispensed }) {
  const { t, run, may } = useTill();
  if (!dispensed) return null;
  if (dispensed === 'no' && may('change.dispense')) {
    return html`<button type="button" class="button on-dark quiet" data-test="change-dispense" onClick=${() => run('change.dispense', { receipt: number })}><${Icon} name="cash" /> ${t('dispense.now')}</button>`;
  }
  return html`<span class="change-dispensed" data-test="dispensed"><${Icon} name="cash" /> ${t(`dispensed.${dispensed}`)}</span>`;
}
