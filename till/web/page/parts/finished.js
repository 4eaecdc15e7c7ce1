/** After a sale: the change, huge, and the receipt. The next scan or touch begins the next sale. */
import { html } from '../vendor/htm-preact-standalone.module.js';
import { useAnswer, useTill } from '../till.js';
import { Dispensed } from './dispense.js';
import { drawing } from './drawing.js';
import { Icon } from './icons.js';

/** @param {{number: number}} props the receipt as it was printed */
export function Paper({ number }) {
  const { answer, problem } = useAnswer(`receipts/${number}`);
  const { t } = useTill();
  /** @type {import('../contract.js').Receipt|null} */
  const receipt = answer;
  if (problem) return html`<p class="empty-words">${problem}</p>`;
  if (!receipt) return html`<p class="empty-words">${t('loading')}</p>`;
  return html`
    <article class="paper" data-test="paper" aria-label=${t('receipt.number', { number })}>
      <pre>${receipt.text}</pre>
      ${receipt.svg && html`<div class="code" role="img" aria-label=${t('receipt.code')} ref=${drawing(receipt.svg)}></div>`}
    </article>`;
}

/** @param {{total: number, change: number, number: number, printed: string, dispensed?: string, training: boolean, returned: boolean, onDone: () => void}} props */
export function Change({ total, change, number, printed, dispensed, training, returned, onDone }) {
  const { t, f, run } = useTill();
  return html`
    <section class="change ${training ? 'practice' : ''}" data-test="finished" role="status">
      <p class="change-head"><${Icon} name="check" /> ${returned ? t('done.returned') : t('done.sold')} <span>${t('receipt.number', { number })}</span></p>
      <p class="change-label">${change ? t('done.change') : returned ? t('sum.back') : t('done.exact')}</p>
      <p class="change-amount" data-test="change">${f.money(change || total)}</p>
      <${Dispensed} number=${number} dispensed=${dispensed} />
      <div class="change-acts">
        <button type="button" class="button on-dark" data-test="new-sale" onClick=${onDone}>${t('done.next')}</button>
        <button type="button" class="button on-dark quiet" onClick=${() => run('receipt.print', { number })}><${Icon} name="print" /> ${t(printed === 'yes' ? 'done.again' : 'done.print')}</button>
      </div>
      <p class="change-hint">${printed === 'no' || printed === 'unknown' ? t(`done.printed.${printed}`) : t('done.hint')}</p>
    </section>`;
}
