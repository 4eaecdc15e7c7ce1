/** Receipts of this till: found, read, printed again, voided. */
import { html, useState } from '../vendor/htm-preact-standalone.module.js';
import { Paper } from '../parts/finished.js';
import { Dialog } from '../parts/dialog.js';
import { Icon } from '../parts/icons.js';
import { Reason } from '../parts/questions.js';
import { useAnswer, useTill } from '../till.js';

/** @typedef {import('../contract.js').ReceiptRow} ReceiptRow */
/** @typedef {{receipts: ReceiptRow[], more: boolean}} Rows */

/**
 * A list that goes on: further rows are asked for with "before" and put below those there are.
 * @template T
 * @param {string} path
 * @param {Record<string, string|number|undefined>} query
 * @param {(answer: any) => T[]} rows
 * @param {(row: T) => number} place
 */
export function useList(path, query, rows, place) {
  const { state, ask } = useTill();
  const first = useAnswer(path, query, `${state.journal.size} ${state.journal.searched}`);
  const [more, setMore] = useState(/** @type {{of: string, rows: T[], more: boolean}} */ ({ of: '', rows: [], more: false }));
  /** @type {any} */
  const answer = first.answer;
  const head = answer ? rows(answer) : [];
  const of = JSON.stringify([path, query, head[0] === undefined ? -1 : place(head[0])]);
  const tail = more.of === of ? more.rows : [];
  const all = [...head, ...tail];
  const further = async () => {
    const said = await ask(path, { ...query, before: place(all[all.length - 1]) });
    setMore({ of, rows: [...tail, ...rows(said)], more: said.more === true });
  };
  return { all, answer, problem: first.problem, more: more.of === of ? more.more : answer?.more === true, further };
}

/** @param {{onPick: (number: number) => void, verb: string, chosen?: number}} props */
export function Found({ onPick, verb, chosen = 0 }) {
  const { t, f } = useTill();
  const [q, setQ] = useState('');
  const list = useList('receipts', { q, limit: 40 }, (a) => a.receipts, (/** @type {ReceiptRow} */ r) => r.number);
  return html`
    <section class="card list-card">
      <label class="search-field"><${Icon} name="search" /><input class="field" type="search" aria-label=${t('receipts.search')} placeholder=${t('receipts.search')} data-test="receipts-search"
        value=${q} onInput=${(/** @type {any} */ e) => setQ(e.currentTarget.value)} /></label>
      ${list.problem && html`<p class="empty-words">${list.problem}</p>`}
      <ul class="rows" data-test="receipts">
        ${list.all.map((r) => html`
          <li key=${r.index}><button type="button" class="row" aria-current=${r.number === chosen} data-test=${`receipt-${r.number}`} onClick=${() => onPick(r.number)}>
            <span class="row-main"><b>${t('receipt.number', { number: r.number })} ${r.kind !== 'sale' ? html`<em class="mark ${r.kind}">${t(`kind.${r.kind}`)}</em>` : ''}${r.voided ? html` <em class="mark void">${t('voided')}</em>` : ''}</b>
              <small>${f.moment(r.at)} · ${r.who}</small></span>
            <span class="row-amount">${f.money(r.total)}</span><small class="row-verb">${verb}</small></button></li>`)}
      </ul>
      ${list.answer && list.all.length === 0 && html`<p class="empty-words">${t('receipts.none')}</p>`}
      ${list.more && html`<button type="button" class="button" onClick=${list.further}>${t('more')}</button>`}
    </section>`;
}

export function Receipts() {
  const { t, go, view, run, may } = useTill();
  const number = Number(view[1] ?? 0);
  const [voiding, setVoiding] = useState(false);
  const back = async () => {
    if (await run('return.begin', { receipt: String(number) })) go('return');
  };
  return html`
    <div class="two-panes ${number ? 'has-detail' : ''}">
      <${Found} onPick=${(/** @type {number} */ n) => go(`receipts/${n}`)} verb=${t('show')} chosen=${number} />
      ${number > 0 && html`
        <section class="card detail" key=${number} data-test="receipt-detail">
          <div class="card-acts">
            <button type="button" class="button only-small" onClick=${() => go('receipts')}><${Icon} name="back" />${t('back')}</button>
            ${may('receipt.copy') && html`<button type="button" class="button" onClick=${() => run('receipt.copy', { number })}><${Icon} name="print" />${t('receipt.copy')}</button>`}
            ${may('return.begin') && html`<button type="button" class="button" onClick=${back}><${Icon} name="undo" />${t('receipt.return')}</button>`}
            ${may('receipt.void') && html`<button type="button" class="button danger" data-test="void" onClick=${() => setVoiding(true)}>${t('receipt.void')}</button>`}
          </div>
          <${Paper} number=${number} />
        </section>`}
    </div>
    ${voiding && html`<${Voiding} number=${number} onClose=${() => setVoiding(false)} />`}`;
}

/** @param {{number: number, onClose: () => void}} props */
function Voiding({ number, onClose }) {
  const { t, run } = useTill();
  const [reason, setReason] = useState('');
  const enter = async () => {
    if (reason && await run('receipt.void', { number, reason })) onClose();
  };
  return html`
    <${Dialog} title=${t('void.title', { number })} onClose=${onClose} test="void-dialog">
      <div class="stack">
        <p>${t('void.words')}</p>
        <${Reason} value=${reason} onPick=${setReason} reasons=${['reason.mistake', 'reason.customer', 'reason.money']} />
        <button type="button" class="button big danger" data-test="void-take" disabled=${!reason} onClick=${enter}>${t('receipt.void')}</button>
      </div>
    <//>`;
}
