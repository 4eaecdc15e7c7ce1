/** Taking goods back: the receipt is scanned or found, its lines say what can still be returned. */
import { html, useState } from '../vendor/htm-preact-standalone.module.js';
import { typed } from '../format.js';
import { Dialog } from '../parts/dialog.js';
import { Icon } from '../parts/icons.js';
import { Keypad } from '../parts/keypad.js';
import { useTill } from '../till.js';
import { Found } from './receipts.js';

/** @typedef {import('../contract.js').OriginalLine} OriginalLine */

export function Return() {
  const { state, t, f, run, go, openSheet } = useTill();
  const [line, setLine] = useState(/** @type {OriginalLine|null} */ (null));
  const original = state.basket?.mode === 'return' ? state.basket.original : null;
  if (!original) return html`<${Find} />`;

  /** @param {OriginalLine} on */
  const take = (on) => (on.returnable === 1000000 ? run('return.line', { line: on.no, quantity: on.returnable }) : setLine(on));
  return html`
    <section class="card" data-test="original">
      <header class="card-head"><h2>${t('receipt.number', { number: original.number })}</h2><span>${f.moment(original.at)}</span></header>
      <p>${t('return.choose')}</p>
      <ul class="rows">
        ${original.lines.map((l) => html`
          <li key=${l.no}><button type="button" class="row" data-test=${`return-${l.no}`} disabled=${l.returnable === 0} onClick=${() => take(l)}>
            <span class="row-main"><b>${l.name}</b><small>${f.quantity(l.quantity)} × ${f.price(l.unitPrice)} · ${l.returnable ? t('return.left', { quantity: f.quantity(l.returnable) }) : t('return.none')}</small></span>
            <span class="row-amount">${f.money(l.gross)}</span><${Icon} name="undo" /></button></li>`)}
      </ul>
      <div class="card-acts">
        <button type="button" class="button" onClick=${() => run('basket.abort', { reason: t('reason.mistake') })}>${t('return.abort')}</button>
        <button type="button" class="button primary big" data-test="return-pay" disabled=${!state.basket?.lines.length} onClick=${() => (go('sell'), openSheet('tender'))}>
          ${t('payout')} ${f.money(state.basket?.total ?? 0)}<kbd>F8</kbd></button>
      </div>
    </section>
    ${line && html`<${HowMany} line=${line} onClose=${() => setLine(null)} />`}`;
}

/** @param {{line: OriginalLine, onClose: () => void}} props */
function HowMany({ line, onClose }) {
  const { t, f, run } = useTill();
  const [digits, setDigits] = useState('');
  const quantity = digits ? typed(digits, line.unit === 'piece' ? 6 : 3) : line.returnable;
  const enter = async () => {
    if (await run('return.line', { line: line.no, quantity })) onClose();
  };
  return html`
    <${Dialog} title=${line.name} onClose=${onClose} test="return-quantity">
      <${Keypad} digits=${digits} onDigits=${setDigits} onEnter=${enter} most=${6} label=${t('return.left', { quantity: f.quantity(line.returnable) })} show=${f.quantity(quantity)}>
        <button type="button" class="button big primary" onClick=${enter}>${t('take')}<kbd>Enter</kbd></button>
      <//>
    <//>`;
}

function Find() {
  const { t, run } = useTill();
  return html`
    <section class="card hero"><${Icon} name="scan" /><div><h2>${t('return.scan')}</h2><p>${t('return.scan.hint')}</p></div></section>
    <${Found} onPick=${(/** @type {number} */ number) => run('return.begin', { receipt: String(number) })} verb=${t('return.this')} />`;
}
