/** What the person at the till must know now, and what to do about it. */
import { html, useEffect, useRef } from '../vendor/htm-preact-standalone.module.js';
import { useTill } from '../till.js';
import { DecideButton } from './dispense.js';
import { Icon } from './icons.js';

/** @typedef {{key: string, level: "info"|"warn"|"error", icon: string, text: string, hint: string, go?: string}} Warning */

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

/** @param {import('../contract.js').State} state @param {import('../words.js').Words} t @param {string} view @returns {Warning[]} */
function warnings(state, t, view) {
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
  return list;
}

export function Banners() {
  const { state, t, view, go } = useTill();
  return html`
    <div class="banners" data-test="banners">
      ${warnings(state, t, view[0]).map((w) => html`
        <div key=${w.key} class="banner ${w.level}" role=${w.level === 'error' ? 'alert' : 'status'}>
          <${Icon} name=${w.icon} /><p><b>${w.text}</b> ${w.hint}</p>
          ${w.key === 'dispense' && html`<${DecideButton} />`}
          ${w.go && html`<button type="button" class="button small" data-test=${`go-${w.go}`} onClick=${() => go(w.go ?? '')}>${t(`view.${w.go}`)}</button>`}
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
