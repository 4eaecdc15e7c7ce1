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
  const number = Number(view[1] ?? 0) || 0;
  const dates = datesOf(view[1] ?? '');
  const [fresh, setFresh] = useState(/** @type {Report|null} */ (null));
  const [closing, setClosing] = useState(false);
  const list = useList(may('reports.view') ? 'reports/z' : '', { limit: 30 }, (a) => a.reports, (/** @type {Row} */ r) => r.number);
  const kept = useAnswer(number ? `reports/z/${number}` : '');
  const sum = useAnswer(dates ? 'reports/period' : '', dates ?? {});
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
  const shown = number ? report(kept.answer) : dates ? (sum.problem ? null : report(sum.answer)) : fresh;
  return html`
    <div class="two-panes ${shown ? 'has-detail' : ''}">
      <section class="card list-card">
        <div class="tile-acts">
          ${may('report.x') && html`<button type="button" class="tile-act" data-test="report-x" onClick=${x}><${Icon} name="report" /><b>${t('do.report.x')}</b><small>${t('do.report.x.hint')}</small></button>`}
          ${may('report.z') && html`<button type="button" class="tile-act" data-test="report-z" onClick=${() => setClosing(true)}><${Icon} name="seal" /><b>${t('do.report.z')}</b><small>${t('do.report.z.hint', { count: state.day.receipts })}</small></button>`}
        </div>
        ${may('reports.view') && html`<${Period} problem=${dates ? sum.problem : ''} onPick=${(/** @type {string} */ p) => go(`reports/${p}`)} /><h2>${t('reports.kept')}</h2>`}
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

/**
 * The first and last date of a period: 2026 or 2026-11 behind a "p".
 * @param {string} period @returns {{from: string, to: string}|null}
 */
function datesOf(period) {
  const found = /^p(\d{4})(?:-(\d\d))?$/.exec(period);
  if (!found) return null;
  const [, year, month] = found;
  if (!month) return { from: `${year}-01-01`, to: `${year}-12-31` };
  const days = new Date(Date.UTC(Number(year), Number(month), 0)).getUTCDate();
  return { from: `${year}-${month}-01`, to: `${year}-${month}-${days}` };
}

/** @param {{problem: string, onPick: (period: string) => void}} props */
function Period({ problem, onPick }) {
  const { t, state } = useTill();
  const [month, setMonth] = useState(state.clock.now.slice(0, 7));
  const pick = (/** @type {any} */ e) => {
    e.preventDefault();
    if (/^\d{4}-\d\d$/.test(month)) onPick(`p${e.submitter?.value === 'year' ? month.slice(0, 4) : month}`);
  };
  return html`
    <h2>${t('period.title')}</h2>
    <form class="period" onSubmit=${pick}>
      <input class="field" type="month" required aria-label=${t('period.which')} data-test="period" value=${month} onInput=${(/** @type {any} */ e) => setMonth(e.currentTarget.value)} />
      <button class="button" value="month" data-test="period-month">${t('period.month')}</button>
      <button class="button" value="year" data-test="period-year">${t('period.year')}</button>
    </form>
    ${problem && html`<p class="empty-words">${problem}</p>`}`;
}
