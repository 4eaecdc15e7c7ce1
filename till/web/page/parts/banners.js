/** What the person at the till must know now, and what to do about it. */
import { html, useEffect, useRef, useState } from '../vendor/htm-preact-standalone.module.js';
import { age, asked, away, named, party, put, putOff, restarting, runs, stopped, version, waits, why } from '../software.js';
import { useTill } from '../till.js';
import { DecideButton } from './dispense.js';
import { Icon } from './icons.js';
import { reason } from './stopped.js';

/**
 * go: a view that helps; sheet: opens the update's sheet; put: what is remembered when somebody puts it away.
 * @typedef {{key: string, level: "info"|"warn"|"error", icon: string, text: string, hint: string, go?: string, sheet?: boolean, put?: string}} Warning
 */

/** @param {import('../contract.js').Device} device @param {import('../words.js').Words} t @returns {Warning} */
function ofDevice(device, t) {
  const known = `device.${device.code}`;
  const hint = t(`${known}.hint`);
  const icon = device.kind === 'printer' ? 'print' : 'plug';
  return {
    key: device.name,
    level: device.state === 'down' ? 'error' : 'warn',
    icon,
    text: device.text || (t(known) === known ? t(`device.${device.state}`, { name: device.name }) : t(known)),
    hint: hint === `${known}.hint` ? t('device.hint') : hint,
  };
}

/** @typedef {import('../contract.js').Software} Software */
/** @typedef {import('../words.js').Words} Words */
/** @typedef {import('../format.js').Formats} Formats */

/** Withdrawn, stale: whether selling is stopped or will be. @param {Software} software @param {Words} t @param {Formats} f @returns {Warning[]} */
function ofRelease(software, t, f) {
  const help = software.update ? { sheet: true } : { go: 'software' };
  if (stopped(software)) {
    return [{ key: 'stopped', level: 'error', icon: 'stop', text: `${t('stopped.title')}.`, hint: reason(software, t, f).text, ...help }];
  }
  /** @type {Warning[]} */
  const list = (software.withdrawn ?? []).map((w, i) => ({
    key: `withdrawn-${i}`, level: 'warn', icon: 'warn', text: t(w.of === 'platform' ? 'software.withdrawn.platform' : 'software.withdrawn', { by: party(w.by, t), reason: w.reason }),
    hint: `${w.deadline ? t(w.action === 'block' ? 'software.withdrawn.until' : 'software.withdrawn.replace', { time: f.moment(w.deadline) }) : ''} ${t(software.update ? 'stopped.do.update' : 'stopped.do.check')}`, ...help,
  }));
  if (software.freshness?.warn) list.push({ key: 'stale', level: 'warn', icon: 'clock', text: t('software.released.old'), hint: `${age(software.freshness.warn, t, f)} ${t('software.old.hint')}`, go: 'software' });
  return list;
}

/** How long an outcome is news: a good one a day, another two weeks. */
const news = { good: 86_400_000, bad: 14 * 86_400_000 };

/** How the last update went, until somebody has read it. @param {Software} software @param {string} now @param {Words} t @returns {Warning[]} */
function ofOutcome(software, now, t) {
  const { last } = software;
  const id = last ? `outcome ${last.time} ${last.identity}` : '';
  if (!last || away(id)) return [];
  const good = last.outcome === 'kept';
  if (new Date(now).valueOf() - new Date(last.time).valueOf() > (good ? news.good : news.bad)) return [];
  const names = { version: named(last, t), from: version(last.from || runs(software, last)) };
  const hint = t(`outcome.${last.outcome}.words`, names);
  return [{ key: 'outcome', level: good ? 'info' : last.outcome === 'blocked' ? 'error' : 'warn', icon: good ? 'check' : 'undo', text: t(`outcome.${last.outcome}`, names), hint: last.detail && !good ? `${hint} ${why(last.detail, t)}` : hint, go: 'software', put: id }];
}

/** The update that is offered, or on its way. @param {import('../contract.js').State} state @param {Words} t @param {Formats} f @returns {Warning[]} */
function ofUpdate(state, t, f) {
  const { software } = state;
  const update = software?.update;
  if (!software || !update) return [];
  const names = { version: named(update, t) };
  if (restarting(software)) return [{ key: 'restarting', level: 'info', icon: 'update', text: t('restarting.soon', names), hint: t('restarting.soon.words') }];
  if (putOff(software, state.clock.now) && !update.urgent) return [];
  const what = asked(software);
  const held = !what && ['day', 'parked', 'authorisation', 'clock'].includes(waits(state)) ? waits(state) : '';
  const id = `update ${update.digest} ${what}${held}${update.urgent ? ' urgent' : ''}`;
  if (!what && !held) return [];
  if (!update.overdue && away(id)) return [];
  const strong = update.urgent || update.overdue;
  const text = what === 'spend' ? t('software.waits.spend', { bytes: f.bytes(update.spend) }) : held ? t(`software.waits.${held}`, { count: state.suspended.length }) : t('software.new.ready', names);
  const hint = held ? t(`software.waits.${held}.hint`) : update.overdue && update.deadline ? t('software.overdue', { time: f.moment(update.deadline) }) : t(update.mayDecide ? 'software.new.hint' : 'software.not.yours');
  return [{ key: 'update', level: strong ? 'warn' : 'info', icon: 'update', text, hint, sheet: true, put: update.overdue ? undefined : id }];
}

/** @param {import('../contract.js').State} state @param {Words} t @param {Formats} f @returns {Warning[]} */
function ofSoftware(state, t, f) {
  const { software } = state;
  if (!software || !state.session) return [];
  return [...ofRelease(software, t, f), ...ofOutcome(software, state.clock.now, t), ...ofUpdate(state, t, f)];
}

/** @param {import('../contract.js').State} state @param {Words} t @param {string} view @param {Formats} f @returns {Warning[]} */
function warnings(state, t, view, f) {
  /** @type {Warning[]} */
  const list = [];
  const mayOpen = ['yes', 'approval'].includes(state.session?.may['drawer.open'] ?? 'no');
  if (state.drawer?.session === 'closed' && mayOpen && view !== 'drawer' && !state.training) {
    list.push({ key: 'drawer', level: 'info', icon: 'drawer', text: t('drawer.closed'), hint: t('drawer.closed.hint'), go: 'drawer' });
  }
  if (state.journal?.signer === 'down') list.push({ key: 'signer', level: 'warn', icon: 'seal', text: t('signer.down'), hint: t('signer.hint') });
  if (state.clock?.unsure) list.push({ key: 'clock', level: 'warn', icon: 'clock', text: t('clock.unsure'), hint: t('clock.hint') });
  for (const device of state.devices ?? []) if (device.state !== 'ready') list.push(ofDevice(device, t));
  for (const n of state.notices ?? []) list.push({ key: n.id, level: n.level, icon: n.level === 'info' ? 'check' : 'warn', text: n.text, hint: n.hint ?? '' });
  list.push(...ofSoftware(state, t, f).filter((w) => w.go !== view));
  return list;
}

export function Banners() {
  const { state, t, f, view, go, openSheet } = useTill();
  const [, turn] = useState(0);
  return html`
    <div class="banners" data-test="banners">
      ${warnings(state, t, view[0], f).map((w) => html`
        <div key=${w.key} class="banner ${w.level} ${w.key}" data-test=${`banner-${w.key}`} role=${w.level === 'error' ? 'alert' : 'status'}>
          <${Icon} name=${w.icon} /><p><b>${w.text}</b> <span>${w.hint}</span></p>
          ${w.key === 'dispense' && html`<${DecideButton} />`}
          ${w.sheet && html`<button type="button" class="button small" data-test="banner-look" aria-label=${t('software.look')} onClick=${() => openSheet('update')}>${t('software.look.short')}</button>`}
          ${w.go && html`<button type="button" class="button small" data-test=${`go-${w.go}`} onClick=${() => go(w.go ?? '')}>${t(`view.${w.go}`)}</button>`}
          ${w.put && html`<button type="button" class="icon-button" aria-label=${t('software.put')} title=${t('software.put')} data-test=${`put-${w.key}`} onClick=${() => (put(w.put ?? ''), turn((n) => n + 1))}><${Icon} name="close" /></button>`}
        </div>`)}
    </div>`;
}

/** Keeps an element above everything else, open dialogs too. */
export function useTop() {
  const box = useRef(/** @type {HTMLElement|null} */ (null));
  useEffect(() => box.current?.showPopover(), []);
  return box;
}

/** The node cannot be reached: said at once, over everything. */
export function Unreachable() {
  const { t } = useTill();
  const box = useTop();
  return html`
    <div ref=${box} popover="manual" class="unreachable" role="alert" data-test="unreachable">
      <${Icon} name="plug" />
      <div><b>${t('unreachable.title')}</b><p>${t('unreachable.words')}</p></div>
      <span class="pulse" aria-hidden="true"></span>
    </div>`;
}

/** Training says so on every view: a strip, a frame, a hatch. */
export function Training() {
  const { t, run, may, state } = useTill();
  return html`
    <div class="training-strip" data-test="training">
      <${Icon} name="school" /><b>${t('training')}</b><span>${t('training.words')}</span>
      ${state.session && may('training.stop') && html`<button type="button" class="button small" onClick=${() => run('training.stop')}>${t('training.stop')}</button>`}
    </div>`;
}
