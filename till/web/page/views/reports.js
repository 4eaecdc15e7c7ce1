/** X (as it stands) and Z (the day is closed). */
import { html, useState } from '../vendor/htm-preact-standalone.module.js';
import { Dialog } from '../parts/dialog.js';
import { Icon } from '../parts/icons.js';
import { useAnswer, useTill } from '../till.js';
import { useList } from './receipts.js';

/** @typedef {import('../contract.js').Report} Report */
/** @typedef {{number: number, at: string, index: number, total: number}} Row */

export function Reports() {
  const { t, f, run, go, view, may, state } = useTill();
  const number = Number(view[1] ?? 0);
  const [fresh, setFresh] = useState(/** @type {Report|null} */ (null));
  const [closing, setClosing] = useState(false);
  const list = useList(may('reports.view') ? 'reports/z' : '', { limit: 30 }, (a) => a.reports, (/** @type {Row} */ r) => r.number);
  const kept = useAnswer(number ? `reports/z/${number}` : '');
  /** @param {any} said the report itself, or an answer that holds it @returns {Report|null} */
  const report = (said) => said?.report ?? said;
  const x = async () => {
    const said = await run('report.x');
    if (said) (go('reports'), setFresh(report(said)));
  };
  const z = async () => {
    const said = await run('report.z');
    if (said) (setClosing(false), go('reports'), setFresh(report(said)));
  };
  const shown = number ? report(kept.answer) : fresh;
  return html`
    <div class="two-panes ${shown ? 'has-detail' : ''}">
      <section class="card list-card">
        <div class="tile-acts">
          ${may('report.x') && html`<button type="button" class="tile-act" data-test="report-x" onClick=${x}><${Icon} name="report" /><b>${t('do.report.x')}</b><small>${t('do.report.x.hint')}</small></button>`}
          ${may('report.z') && html`<button type="button" class="tile-act" data-test="report-z" onClick=${() => setClosing(true)}><${Icon} name="seal" /><b>${t('do.report.z')}</b><small>${t('do.report.z.hint', { count: state.day.receipts })}</small></button>`}
        </div>
        ${may('reports.view') && html`<h2>${t('reports.kept')}</h2>`}
        ${list.problem && html`<p class="empty-words">${list.problem}</p>`}
        <ul class="rows">
          ${list.all.map((r) => html`<li key=${r.number}><button type="button" class="row" aria-current=${r.number === number} onClick=${() => go(`reports/${r.number}`)}>
            <span class="row-main"><b>${t('report.number', { number: r.number })}</b><small>${f.moment(r.at)}</small></span><span class="row-amount">${f.money(r.total)}</span></button></li>`)}
        </ul>
        ${list.answer && list.all.length === 0 && html`<p class="empty-words">${t('reports.none')}</p>`}
        ${list.more && html`<button type="button" class="button" onClick=${list.further}>${t('more')}</button>`}
      </section>
      ${shown && html`
        <section class="card detail" data-test="report">
          <button type="button" class="button only-small" onClick=${() => (setFresh(null), go('reports'))}><${Icon} name="back" />${t('back')}</button>
          <dl class="facts">${(shown.figures ?? []).map((x) => html`<div key=${x.label}><dt>${x.label}</dt><dd>${f.money(x.amount)}</dd></div>`)}</dl>
          <article class="paper"><pre>${shown.text}</pre></article>
        </section>`}
    </div>
    ${closing && html`
      <${Dialog} title=${t('z.title')} onClose=${() => setClosing(false)} test="z-dialog">
        <div class="stack"><p>${t('z.words')}</p>
          <button type="button" class="button big primary" data-test="z-take" autofocus onClick=${z}>${t('do.report.z')}</button></div>
      <//>`}`;
}
