/** The journal: every entry, found and proven. */
import { html, useState } from '../vendor/htm-preact-standalone.module.js';
import { Icon } from '../parts/icons.js';
import { Prove } from '../parts/proof.js';
import { useAnswer, useTill } from '../till.js';
import { useList } from './receipts.js';

/** @typedef {import('../contract.js').EntryRow} EntryRow */

export function Journal() {
  const { t, f, go, view } = useTill();
  const index = view[1] === undefined ? -1 : Number(view[1]);
  const [q, setQ] = useState('');
  const [kind, setKind] = useState('');
  const list = useList('journal', { q, kind, limit: 50 }, (a) => a.entries, (/** @type {EntryRow} */ e) => e.index);
  /** @type {{id: string, name: string}[]} */
  const kinds = list.answer?.kinds ?? [];
  return html`
    <div class="two-panes ${index >= 0 ? 'has-detail' : ''}">
      <section class="card list-card">
        <label class="search-field"><${Icon} name="search" /><input class="field" type="search" aria-label=${t('journal.search')} placeholder=${t('journal.search')} data-test="journal-search"
          value=${q} onInput=${(/** @type {any} */ e) => setQ(e.currentTarget.value)} /></label>
        <select class="field" aria-label=${t('journal.kind')} onChange=${(/** @type {any} */ e) => setKind(e.currentTarget.value)}>
          <option value="">${t('journal.kinds')}</option>${kinds.map((k) => html`<option key=${k.id} value=${k.id}>${k.name}</option>`)}</select>
        ${list.problem && html`<p class="empty-words">${list.problem}</p>`}
        <ul class="rows" data-test="entries">
          ${list.all.map((e) => html`
            <li key=${e.index}><button type="button" class="row entry" aria-current=${e.index === index} data-test=${`entry-${e.index}`} onClick=${() => go(`journal/${e.index}`)}>
              <span class="entry-index">${f.count(e.index)}</span>
              <span class="row-main"><b>${e.words || e.kind}</b><small>${f.moment(e.time)} · ${e.who}</small></span>
              ${e.amount ? html`<span class="row-amount">${f.money(e.amount)}</span>` : ''}</button></li>`)}
        </ul>
        ${list.answer && list.all.length === 0 && html`<p class="empty-words">${t('journal.none')}</p>`}
        ${list.more && html`<button type="button" class="button" onClick=${list.further}>${t('more')}</button>`}
      </section>
      ${index >= 0 && html`<${Detail} key=${index} index=${index} />`}
    </div>`;
}

/** @param {{index: number}} props */
function Detail({ index }) {
  const { t, f, go, may } = useTill();
  const { answer, problem } = useAnswer(`journal/${index}`);
  const [proving, setProving] = useState(false);
  /** @type {import('../contract.js').Entry|null} */
  const entry = answer;
  return html`
    <section class="card detail" data-test="entry">
      <button type="button" class="button only-small" onClick=${() => go('journal')}><${Icon} name="back" />${t('back')}</button>
      ${problem && html`<p class="empty-words">${problem}</p>`}
      ${entry && html`
        <header class="card-head"><h2><span class="entry-index big">${f.count(entry.index)}</span> ${entry.words || entry.kind}</h2><span>${f.moment(entry.time)} · ${entry.who}</span></header>
        ${proving
          ? html`<${Prove} index=${index} />`
          : may('journal.prove') && html`<button type="button" class="button big primary" data-test="prove" onClick=${() => setProving(true)}><${Icon} name="seal" />${t('prove')}</button>`}
        <dl class="facts">${entry.facts.map((x, i) => html`<div key=${i}><dt>${x.label}</dt><dd>${x.value}</dd></div>`)}</dl>
        <details><summary>${t('journal.raw')}</summary>
          <h3>${t('journal.leaf')}</h3><code class="hash">${entry.leaf}</code>
          <h3>${t('journal.head')}</h3><pre class="raw">${JSON.stringify(entry.head, null, 2)}</pre>
          <h3>${t('journal.body')}</h3><pre class="raw">${entry.body === null ? '–' : JSON.stringify(entry.body, null, 2)}</pre>
        </details>`}
    </section>`;
}
