/** The announcement of an update: a badge, a line, and the sheet where it is decided. */
import { html, useState } from '../vendor/htm-preact-standalone.module.js';
import { asked, fetching, moments, named, putOff, runs, station, waits } from '../software.js';
import { useTill } from '../till.js';
import { Dialog } from './dialog.js';
import { Icon } from './icons.js';
import { Fetching, Plate, Track } from './software.js';

/** @typedef {import('../contract.js').Software} Software */
/** @typedef {import('../contract.js').Update} Update */

/** The sign in the top bar: there is an update, and how far it is. */
export function UpdateBadge() {
  const { state, t, f, openSheet } = useTill();
  const software = state.software;
  const update = software?.update;
  if (!software || !update) return null;
  const part = fetching(software);
  const calls = update.mayDecide && asked(software) !== '' && !putOff(software, state.clock.now);
  const words = part ? f.share(part.bytes, part.total) : t(calls ? 'software.badge.decide' : 'software.badge');
  return html`
    <button type="button" class="update-badge ${update.urgent || update.overdue ? 'urgent' : calls ? 'calls' : ''}" data-test="update-badge" aria-haspopup="dialog"
      aria-label=${t('software.badge.label', { version: named(update, t), state: words })} onClick=${() => openSheet('update')}>
      ${part ? html`<${Ring} part=${part.bytes / part.total} />` : html`<${Icon} name="update" />`}<span>${words}</span>
    </button>`;
}

/** @param {{part: number}} props */
function Ring({ part }) {
  return html`<svg class="icon ring" viewBox="0 0 24 24" aria-hidden="true"><circle class="ring-whole" cx="12" cy="12" r="9" /><circle cx="12" cy="12" r="9" pathLength="100" stroke-dasharray=${`${part * 100} 100`} transform="rotate(-90 12 12)" /></svg>`;
}

/** The sheet: what comes, how far it is, what it waits for, and the decision. */
export function UpdateSheet() {
  const { state, t, openSheet } = useTill();
  const software = state.software;
  if (!software?.update) return null;
  const { update } = software;
  return html`
    <${Dialog} title=${t('software.new', { version: named(update, t) })} onClose=${() => openSheet('')} kind="wide update-sheet" test="update-sheet">
      <div>
        <div class="change-of">
          <${Plate} identity=${runs(software, update)} label=${t('software.slot.runs')} /><${Icon} name="forth" />
          <${Plate} identity=${update.identity} label=${t('software.comes')} kind="next" />
        </div>
        <${Marks} update=${update} />
        <h3>${t('software.changes')}</h3>
        <p class="consent-text" data-test="consent-text">${update.consent || t('software.changes.none')}</p>
      </div>
      <div>
        <${Waits} software=${software} />
        <${Fetching} software=${software} />
        <${Decision} key=${update.digest + asked(software)} software=${software} />
      </div>
      <${Track} software=${software} />
    <//>`;
}

/** Legal relevance, urgency, deadline. @param {{update: Update}} props */
function Marks({ update }) {
  const { t, f } = useTill();
  return html`
    <ul class="update-marks">
      <li><${Icon} name="seal" /><div><b>${t(update.legal ? 'software.legal' : 'software.plain')}</b><small>${t(update.legal ? 'software.legal.words' : 'software.plain.words')}</small></div></li>
      ${update.urgent && html`<li class="urgent"><${Icon} name="warn" /><div><b>${t('software.urgent')}</b><small>${t('software.urgent.words')}</small></div></li>`}
      ${update.deadline && html`<li class=${update.overdue ? 'urgent' : ''} data-test="deadline"><${Icon} name="clock" />
        <div><b>${t(update.overdue ? 'software.overdue' : 'software.deadline', { time: f.moment(update.deadline) })}</b><small>${update.overdue ? t('software.overdue.words') : ''}</small></div></li>`}
    </ul>`;
}

/** What it waits for, and what to do about it. @param {{software: Software}} props */
function Waits({ software }) {
  const { t, f, go, openSheet, may, state } = useTill();
  const { update } = software;
  if (!update) return null;
  const what = waits(state) || (station(software) >= 4 ? 'written' : update.agreed ? 'agreed' : '');
  if (!what || what === 'consent') return null;
  const view = what === 'day' && may('report.z') ? 'reports' : what === 'sale' ? 'sell' : '';
  return html`
    <div class="update-waits" role="status" data-test=${`waits-${what}`}>
      <p><b>${t(`software.waits.${what}`, { bytes: f.bytes(update.spend), count: state.suspended.length })}</b> ${t(`software.waits.${what}.hint`)}</p>
      ${what === 'other' && update.detail && html`<small>${update.detail}</small>`}
      ${what === 'parked' && html`<button type="button" class="button" data-test="waits-parked-open" onClick=${() => (go('sell'), openSheet('suspended'))}><${Icon} name="pause" />${t('suspended')}</button>`}
      ${view && html`<button type="button" class="button" data-test=${`waits-go-${view}`} onClick=${() => (openSheet(''), go(view))}><${Icon} name=${view === 'reports' ? 'report' : 'scan'} />${t(view === 'reports' ? 'view.reports' : 'software.waits.sale.go')}</button>`}
    </div>`;
}

/** Now, or later. @param {{software: Software}} props */
function Decision({ software }) {
  const { t, f, run, say, openSheet, state } = useTill();
  const [later, setLater] = useState(false);
  const [busy, setBusy] = useState(false);
  const { update } = software;
  const what = asked(software);
  if (!update || !what) return null;
  if (!update.mayDecide) return html`<p class="said" data-test="update-not-yours"><${Icon} name="people" /> ${t('software.not.yours')}</p>`;
  const agree = async () => {
    setBusy(true);
    await run('software-agree', { digest: update.digest, for: what });
    setBusy(false);
  };
  /** @param {Date} at */
  const leave = async (at) => {
    const until = at.toISOString();
    if (!(await run('software-later', { digest: update.digest, for: what, until }))) return;
    openSheet('');
    say({ level: 'info', text: t('software.later.done', { time: f.moment(until) }) });
  };
  return html`
    <div class="decision" data-test="decision">
      <h3>${what === 'spend' ? t('software.spend', { bytes: f.bytes(update.spend) }) : t('software.when')}</h3>
      <button type="button" class="button big primary" data-test="update-agree" disabled=${busy} onClick=${agree}><${Icon} name=${what === 'spend' ? 'down' : 'update'} />${t(what === 'spend' ? 'software.spend.yes' : 'software.now')}</button>
      <small>${t(what === 'spend' ? 'software.spend.words' : 'software.now.hint')}</small>
      ${putOff(software, state.clock.now) && html`<p class="put-off" data-test="put-off"><${Icon} name="clock" /> ${t('software.put.off', { time: f.moment(update.later ?? '') })}</p>`}
      ${update.overdue
        ? html`<small class="urgent">${t('software.later.none')}</small>`
        : later
          ? html`<${Later} deadline=${update.deadline} onPick=${leave} />`
          : html`<button type="button" class="button big" data-test="update-later" onClick=${() => setLater(true)}><${Icon} name="clock" />${t('software.later')}</button>`}
    </div>`;
}

/** @param {Date} at as an input of the kind datetime-local has it */
const local = (at) => new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);

/** When to be asked again. @param {{deadline: string|undefined, onPick: (at: Date) => void}} props */
function Later({ deadline, onPick }) {
  const { t, f } = useTill();
  const [now] = useState(new Date());
  const [picked, setPicked] = useState('');
  const at = new Date(picked);
  const right = !Number.isNaN(at.valueOf()) && at > now && (!deadline || at <= new Date(deadline));
  return html`
    <div class="stack" role="group" aria-label=${t('software.later.title')} data-test="later">
      <span class="label">${t('software.later.title')}</span>
      ${moments(now, deadline).map((m) => html`
        <button type="button" key=${m.name} class="button" data-test=${`later-${m.name}`} onClick=${() => onPick(m.at)}>${t(`software.later.${m.name}`)} <small>${f.soon(m.at.toISOString())}</small></button>`)}
      <form class="later-pick" onSubmit=${(/** @type {Event} */ e) => (e.preventDefault(), right && onPick(at))}>
        <input type="datetime-local" class="field" name="later-at" aria-label=${t('software.later.pick')} min=${local(now)} max=${deadline ? local(new Date(deadline)) : undefined} value=${picked} onInput=${(/** @type {any} */ e) => setPicked(e.currentTarget.value)} />
        <button type="submit" class="button" data-test="later-take" disabled=${!right}>${t('software.later.pick')}</button>
      </form>
    </div>`;
}
