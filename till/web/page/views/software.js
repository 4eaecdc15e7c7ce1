/** Software: what runs, whether it is released, where it lies, and all that happened to it. */
import { html, useState } from '../vendor/htm-preact-standalone.module.js';
import { Icon } from '../parts/icons.js';
import { Prove } from '../parts/proof.js';
import { Fetching, Plate, Slots, Track } from '../parts/software.js';
import { reason, useCheck } from '../parts/stopped.js';
import { party, stopped, version } from '../software.js';
import { useTill } from '../till.js';
import { useList } from './receipts.js';

/** @typedef {import('../contract.js').Software} Software */
/** @typedef {import('../contract.js').SoftwareEvent} SoftwareEvent */
/** @typedef {import('../contract.js').Running} Running */

export function SoftwareView() {
  const { state, t } = useTill();
  const list = useList('software', { limit: 50 }, (a) => a.history, (/** @type {SoftwareEvent} */ e) => e.index);
  const { software } = state;
  if (!software) return html`<p class="empty-words">${t('software.unmanaged')}</p>`;
  return html`
    <div class="software">
      <${Runs} software=${software} running=${list.answer?.running ?? null} />
      <${Released} software=${software} />
      ${software.update && html`<${Coming} software=${software} />`}
      ${software.identity && html`<section class="card"><h2>${t('software.slots')}</h2><p class="soft">${t('software.slots.words')}</p><${Slots} software=${software} /></section>`}
      <section class="card software-history" data-test="software-history">
        <h2>${t('software.history')}</h2>
        ${list.problem && html`<p class="empty-words">${list.problem}</p>`}
        ${list.answer && list.all.length === 0 && html`<p class="empty-words">${t('software.history.none')}</p>`}
        ${groups(list.all).map((g) => html`<${Release} key=${g[0].index} events=${g} />`)}
        ${list.more && html`<button type="button" class="button" onClick=${list.further}>${t('more')}</button>`}
      </section>
    </div>`;
}

/** Events in a row that are about one release. @param {SoftwareEvent[]} events @returns {SoftwareEvent[][]} */
function groups(events) {
  /** @type {SoftwareEvent[][]} */
  const all = [];
  for (const e of events) {
    const last = all.at(-1);
    if (last && last[0].identity === e.identity) last.push(e);
    else all.push([e]);
  }
  return all;
}

/** @param {{software: Software, running: Running|null}} props */
function Runs({ software, running }) {
  const { t, f, go, may } = useTill();
  const check = useCheck();
  const facts = [
    ['software.program', software.version],
    ['software.counter', software.identity ? f.count(software.counter) : ''],
    ['software.slot', software.slot.toUpperCase()],
    ['software.since', running?.since ? f.moment(running.since) : ''],
    ['software.certificate', running?.certificate ?? ''],
    ['software.signers', (running?.signers ?? []).join(', ')],
  ].filter(([, value]) => value);
  return html`
    <section class="card runs" data-test="software-runs">
      <header class="card-head"><h2>${t('software.running')}</h2>${software.trial && html`<em class="mark trial">${t('software.slot.trial')}</em>`}</header>
      ${software.identity ? html`<${Plate} identity=${software.identity} label=${t('software.identity')} kind="next" />` : html`<p class="said">${t('software.unmanaged')}</p>`}
      <dl class="facts">${facts.map(([name, value]) => html`<div key=${name}><dt>${t(name)}</dt><dd>${value}</dd></div>`)}</dl>
      <div class="card-acts">
        ${may('software-check') && software.managed && html`<button type="button" class="button primary" data-test="software-check" onClick=${check}><${Icon} name="update" />${t('do.software-check')}</button>`}
        ${running && running.index >= 0 && may('journal.view') && html`<button type="button" class="button" onClick=${() => go(`journal/${running.index}`)}><${Icon} name="journal" />${t('software.entry', { index: f.count(running.index) })}</button>`}
      </div>
    </section>`;
}

/** One look: released and fresh, or what is wrong. @param {{software: Software}} props */
function Released({ software }) {
  const { t, f } = useTill();
  const stop = stopped(software);
  const old = software.freshness?.warn ?? '';
  const withdrawn = software.withdrawn ?? [];
  const kind = stop ? 'bad' : withdrawn.length || old || !software.identity ? 'warned' : 'good';
  const said = stop ? reason(software, t, f) : null;
  return html`
    <section class="card released ${kind}" data-test=${`released-${kind}`}>
      <header><span class="lamp" aria-hidden="true"><${Icon} name=${stop ? 'stop' : kind === 'good' ? 'seal' : 'warn'} /></span>
        <div><h2>${t('software.released')}</h2><p><b>${t(said ? 'stopped.title' : withdrawn.length ? 'software.released.withdrawn' : old ? 'software.released.old' : software.identity ? 'software.released.good' : 'software.released.unknown')}</b></p></div></header>
      ${said && html`<p>${said.text}</p>`}
      <ul class="plain-list">
        ${withdrawn.map((w) => html`<li key=${w.by + w.deadline}><b>${party(w.by, t)}</b>: ${w.reason} <small>${w.deadline ? t(w.action === 'block' ? 'software.withdrawn.until' : 'software.withdrawn.replace', { time: f.moment(w.deadline) }) : ''}</small></li>`)}
        ${old && html`<li>${old}</li>`}
      </ul>
      ${kind === 'good' && html`<p class="soft">${t('software.released.good.words')}</p>`}
    </section>`;
}

/** @param {{software: Software}} props */
function Coming({ software }) {
  const { t, openSheet } = useTill();
  return html`
    <section class="card" data-test="software-coming">
      <header class="card-head"><h2>${t('software.new', { version: version(software.update?.identity ?? '') })}</h2>
        <button type="button" class="button primary" data-test="software-look" onClick=${() => openSheet('update')}>${t('software.look')}</button></header>
      <${Track} software=${software} />
      <${Fetching} software=${software} />
    </section>`;
}

/** @param {{events: SoftwareEvent[]}} props one release's history */
function Release({ events }) {
  const { t } = useTill();
  const { identity } = events[0];
  return html`
    <section class="release">
      <h3>${identity ? html`${t('software.version', { version: version(identity) })} <code>${identity}</code>` : t('software.history.till')}</h3>
      <ol class="stages">${events.map((e) => html`<${Stage} key=${e.index} event=${e} />`)}</ol>
    </section>`;
}

/** @type {Record<string, string>} */
const marks = { done: 'check', begun: 'forth', waiting: 'clock', failed: 'warn', rejected: 'stop' };

/** @param {{event: SoftwareEvent}} props */
function Stage({ event }) {
  const { t, f, go, may } = useTill();
  const [proving, setProving] = useState(false);
  const name = `software.stage.${event.stage.replaceAll(' ', '-')}`;
  const outcome = `software.outcome.${event.outcome}`;
  return html`
    <li class="stage ${event.outcome}" data-test=${`software-event-${event.index}`}>
      <span class="stage-mark"><${Icon} name=${marks[event.outcome] ?? 'check'} /></span>
      <div class="stage-words"><b>${t(name) === name ? event.stage : t(name)}</b>${event.outcome !== 'done' && html` <em>${t(outcome)}</em>`}
        ${event.detail && html`<small>${event.detail}</small>`}
        <small>${[f.moment(event.time), event.who && t('software.by', { name: event.who })].filter(Boolean).join(' · ')}</small></div>
      ${may('journal.view') && html`<button type="button" class="button small quiet-button" onClick=${() => go(`journal/${event.index}`)}>${t('software.entry', { index: f.count(event.index) })}</button>`}
      ${may('journal.prove') && html`<button type="button" class="icon-button" aria-pressed=${proving} aria-label=${t('prove')} title=${t('prove')} data-test=${`software-prove-${event.index}`} onClick=${() => setProving(!proving)}><${Icon} name="seal" /></button>`}
      ${proving && html`<div class="stage-proof"><${Prove} index=${event.index} /></div>`}
    </li>`;
}
