/** Software: what runs, whether it is released, where it lies, and all that happened to it. */
import { html, useState } from '../vendor/htm-preact-standalone.module.js';
import { Icon } from '../parts/icons.js';
import { Prove } from '../parts/proof.js';
import { Fetching, Plate, Slots, Track } from '../parts/software.js';
import { CheckButton, reason } from '../parts/stopped.js';
import { age, named, party, stopped, version } from '../software.js';
import { useTill } from '../till.js';
import { useList } from './receipts.js';

/** @typedef {import('../contract.js').Software} Software */
/** @typedef {import('../contract.js').SoftwareRow} SoftwareRow */

export function SoftwareView() {
  const { state, t } = useTill();
  const list = useList('software', { limit: 60 }, (a) => a.entries, (/** @type {SoftwareRow} */ e) => e.index);
  const { software } = state;
  if (!software) return html`<p class="empty-words">${t('software.unmanaged')}</p>`;
  return html`
    <div class="software">
      <${Runs} software=${software} starts=${starts(list.all)} />
      <${Released} software=${software} />
      ${software.update && html`<${Coming} software=${software} />`}
      ${software.identity && html`<section class="card"><h2>${t('software.slots')}</h2><p class="soft">${t('software.slots.words')}</p><${Slots} software=${software} /></section>`}
      <section class="card software-history" data-test="software-history">
        <h2>${t('software.history')}</h2>
        ${list.problem && html`<p class="empty-words">${list.problem}</p>`}
        ${list.answer && list.all.length === 0 && html`<p class="empty-words">${t('software.history.none')}</p>`}
        ${groups(list.all).map((g) => html`<${Release} key=${g[0].index} rows=${g} />`)}
        ${list.more && html`<button type="button" class="button" onClick=${list.further}>${t('more')}</button>`}
      </section>
    </div>`;
}

/** The starts in a row of what runs now, newest first. @param {SoftwareRow[]} rows */
function starts(rows) {
  const all = rows.filter((r) => r.kind === 'software-start');
  const other = all.findIndex((r) => r.digest !== all[0].digest || r.version !== all[0].version);
  return other < 0 ? all : all.slice(0, other);
}

/** Rows that follow each other about one release. @param {SoftwareRow[]} rows @returns {SoftwareRow[][]} */
function groups(rows) {
  /** @type {SoftwareRow[][]} */
  const all = [];
  for (const r of rows) {
    const last = all.at(-1);
    if (last && (last[0].identity ?? '') === (r.identity ?? '')) last.push(r);
    else all.push([r]);
  }
  return all;
}

/** @param {{software: Software, starts: SoftwareRow[]}} props starts: of this version in a row, newest first */
function Runs({ software, starts }) {
  const { t, f, go, may } = useTill();
  const [last] = starts;
  const first = starts.at(-1);
  const facts = [
    ['software.program', software.version],
    ['software.counter', software.identity ? f.count(software.counter) : ''],
    ['software.slot', software.slot.toUpperCase()],
    ['software.since', first ? f.moment(first.time) : ''],
    ['software.certificate', last?.certificate ?? ''],
    ['software.approved', last?.approved ?? ''],
    ['software.signers', (last?.signers ?? []).map((s) => party(s, t)).join(', ')],
  ].filter(([, value]) => value);
  return html`
    <section class="card runs" data-test="software-runs">
      <header class="card-head"><h2>${t('software.running')}</h2>${software.trial && html`<em class="mark trial">${t('software.slot.trial')}</em>`}</header>
      ${software.identity ? html`<${Plate} identity=${software.identity} label=${t('software.identity')} kind="next" />` : html`<p class="said">${t('software.unmanaged')}</p>`}
      <dl class="facts">${facts.map(([name, value]) => html`<div key=${name}><dt>${t(name)}</dt><dd>${value}</dd></div>`)}</dl>
      <div class="card-acts">
        ${may('software-check') && software.managed && html`<${CheckButton} />`}
        ${first && may('journal.view') && html`<button type="button" class="button" onClick=${() => go(`journal/${first.index}`)}><${Icon} name="journal" />${t('software.entry', { index: f.count(first.index) })}</button>`}
      </div>
    </section>`;
}

/** What to say first of a release. @param {Software} software @returns {"bad"|"withdrawn"|"old"|"good"|"unknown"} */
function judgement(software) {
  if (stopped(software)) return 'bad';
  if ((software.withdrawn ?? []).length) return 'withdrawn';
  if (software.freshness?.warn) return 'old';
  return software.identity && software.managed ? 'good' : 'unknown';
}

/** @type {Record<string, string>} */
const lamps = { bad: 'stop', good: 'seal' };

/** One look: released and fresh, or what is wrong. @param {{software: Software}} props */
function Released({ software }) {
  const { t, f } = useTill();
  const kind = judgement(software);
  const old = software.freshness?.warn ?? '';
  const said = kind === 'bad' ? reason(software, t, f) : null;
  return html`
    <section class="card released ${kind}" data-test=${`released-${kind}`}>
      <header><span class="lamp" aria-hidden="true"><${Icon} name=${lamps[kind] ?? 'warn'} /></span>
        <div><h2>${t('software.released')}</h2><p><b>${t(kind === 'bad' ? 'stopped.title' : `software.released.${kind}`)}</b></p></div></header>
      ${said && html`<p>${said.text}</p>`}
      <ul class="plain-list">
        ${(software.withdrawn ?? []).map((w) => html`<li key=${w.by + w.reason + (w.of ?? '')}>${w.of === 'platform' ? t('software.withdrawn.platform', { by: party(w.by, t), reason: w.reason }) : html`<b>${party(w.by, t)}</b>: ${w.reason}`} <small>${w.deadline ? t(w.action === 'block' ? 'software.withdrawn.until' : 'software.withdrawn.replace', { time: f.moment(w.deadline) }) : ''}</small></li>`)}
        ${old && html`<li>${age(old, t, f)}</li>`}
      </ul>
      ${kind === 'good' && html`<p class="soft">${t('software.released.good.words')}</p>`}
    </section>`;
}

/** @param {{software: Software}} props */
function Coming({ software }) {
  const { t, openSheet } = useTill();
  return html`
    <section class="card" data-test="software-coming">
      <header class="card-head"><h2>${t('software.new', { version: software.update ? named(software.update, t) : '' })}</h2>
        <button type="button" class="button primary" data-test="software-look" onClick=${() => openSheet('update')}>${t('software.look')}</button></header>
      <${Track} software=${software} />
      <${Fetching} software=${software} />
    </section>`;
}

/** @param {{rows: SoftwareRow[]}} props one release's history */
function Release({ rows }) {
  const { t } = useTill();
  const identity = rows[0].identity ?? '';
  return html`
    <section class="release">
      <h3>${identity ? html`${t('software.version', { version: version(identity) })} <code>${identity}</code>` : t('software.history.till')}</h3>
      <ol class="stages">${rows.map((r) => html`<${Stage} key=${r.index} row=${r} />`)}</ol>
    </section>`;
}

/** @type {Record<string, string>} */
const marks = { done: 'check', begun: 'forth', waiting: 'clock', failed: 'warn', rejected: 'stop' };

/** A row in words: what happened, and how it went where that is not plain. @param {SoftwareRow} row @param {import('../words.js').Words} t @param {import('../format.js').Formats} f */
function words(row, t, f) {
  switch (row.kind) {
    case 'software-start':
      return { text: t(row.trial ? 'software.started.trial' : 'software.started', { slot: (row.slot ?? '').toUpperCase(), version: row.version ?? '' }), outcome: 'done', said: '' };
    case 'software-change':
      return { text: t('software.changed'), outcome: 'done', said: [row.from, row.version].filter(Boolean).join(' → ') };
    case 'software-consent':
      return row.agreed
        ? { text: t(row.for === 'spend' ? 'software.agreed.spend' : 'software.agreed.install'), outcome: 'done', said: row.text ?? '' }
        : { text: t('software.put.off', { time: f.moment(row.until ?? '') }), outcome: 'waiting', said: '' };
    default: {
      const name = `software.stage.${row.stage}`;
      return { text: t(name) === name ? row.stage ?? '' : t(name), outcome: row.outcome ?? 'done', said: row.detail ?? '' };
    }
  }
}

/** @param {{row: SoftwareRow}} props */
function Stage({ row }) {
  const { t, f, go, may } = useTill();
  const [proving, setProving] = useState(false);
  const { text, outcome, said } = words(row, t, f);
  const who = row.who ? t('software.by', { name: row.who }) : row.policy ? t('software.by.policy') : '';
  return html`
    <li class="stage ${outcome}" data-test=${`software-event-${row.index}`}>
      <span class="stage-mark"><${Icon} name=${marks[outcome] ?? 'check'} /></span>
      <div class="stage-words"><b>${text}</b>${row.kind === 'software-stage' && outcome !== 'done' && html` <em>${t(`software.outcome.${outcome}`)}</em>`}
        ${said && html`<small>${said}</small>`}
        <small>${[f.moment(row.at ?? row.time), who].filter(Boolean).join(' · ')}</small></div>
      ${may('journal.view') && html`<button type="button" class="button small quiet-button" onClick=${() => go(`journal/${row.index}`)}>${t('software.entry', { index: f.count(row.index) })}</button>`}
      ${may('journal.prove') && html`<button type="button" class="icon-button" aria-pressed=${proving} aria-label=${t('prove')} title=${t('prove')} data-test=${`software-prove-${row.index}`} onClick=${() => setProving(!proving)}><${Icon} name="seal" /></button>`}
      ${proving && html`<div class="stage-proof"><${Prove} index=${row.index} /></div>`}
    </li>`;
}
