/** Everything that is not selling, and how the screen looks. */
import { html, useState } from '../vendor/htm-preact-standalone.module.js';
import { setTheme, theme } from '../theme.js';
import { useTill } from '../till.js';
import { languages } from '../words.js';
import { Field } from '../views/setup.js';
import { Dialog } from './dialog.js';
import { Icon } from './icons.js';

/** @type {{view: string, icon: string, need: string[], key?: string}[]} need: one of these rights */
const places = [
  { view: 'return', icon: 'undo', need: ['return.begin'], key: 'F7' },
  { view: 'receipts', icon: 'receipt', need: ['receipts.view'] },
  { view: 'drawer', icon: 'drawer', need: ['drawer.open', 'drawer.count', 'drawer.nosale'] },
  { view: 'reports', icon: 'report', need: ['report.x', 'report.z', 'reports.view'] },
  { view: 'journal', icon: 'journal', need: ['journal.view', 'journal.security'] },
  { view: 'people', icon: 'people', need: ['people.view'] },
  { view: 'articles', icon: 'box', need: ['articles.import'] },
  { view: 'software', icon: 'chip', need: ['software.view'] },
  { view: 'settings', icon: 'gear', need: ['settings.view'] },
];

export function Menu() {
  const { t, state, run, go, may, say, openSheet, language, setLanguage } = useTill();
  const [look, setLook] = useState(theme());
  const close = () => openSheet('');
  const billed = state.basket?.mode === 'sale' && state.basket.lines.length > 0;
  const bill = async () => {
    close();
    if (await run('basket.proforma')) say({ level: 'info', text: t('proforma.printing') });
  };
  /** @param {string} what */
  const act = async (what) => {
    close();
    await run(what);
  };
  return html`
    <${Dialog} title=${state.session?.person.name ?? t('menu')} onClose=${close} kind="side" test="menu-sheet">
      <nav class="menu">
        ${places.filter((p) => p.need.some(may)).map((p) => html`
          <button type="button" key=${p.view} class="menu-item" data-test=${`menu-${p.view}`} onClick=${() => (close(), go(p.view))}>
            <${Icon} name=${p.icon} /><span>${t(`view.${p.view}`)}</span>${p.key && html`<kbd>${p.key}</kbd>`}</button>`)}
        <hr />
        ${billed && may('basket.proforma') && html`<button type="button" class="menu-item" data-test="pro-forma" onClick=${bill}><${Icon} name="print" /><span>${t('proforma')}</span></button>`}
        ${billed && may('sale.late') && html`<button type="button" class="menu-item" data-test="late-entry" onClick=${() => openSheet('late')}><${Icon} name="receipt" /><span>${t('late')}</span></button>`}
        ${may('articles.lookup') && html`<button type="button" class="menu-item" data-test="price-ask" onClick=${() => openSheet('price')}><${Icon} name="search" /><span>${t('price.check')}</span></button>`}
        ${may('drawer.nosale') && html`<button type="button" class="menu-item" onClick=${() => act('drawer.nosale')}><${Icon} name="drawer" /><span>${t('do.drawer.nosale')}</span></button>`}
        ${state.training
          ? html`<button type="button" class="menu-item" data-test="training-stop" onClick=${() => act('training.stop')}><${Icon} name="school" /><span>${t('training.stop')}</span></button>`
          : may('training.start') && html`<button type="button" class="menu-item" data-test="training-start" onClick=${() => act('training.start')}><${Icon} name="school" /><span>${t('training.start')}</span></button>`}
        <button type="button" class="menu-item" data-test="own-pin" onClick=${() => openSheet('pin')}><${Icon} name="people" /><span>${t('pin.own')}</span></button>
        <button type="button" class="menu-item" data-test="lock" onClick=${() => act('session.lock')}><${Icon} name="lock" /><span>${t('lock')}</span></button>
        <button type="button" class="menu-item" data-test="sign-out" onClick=${() => act('session.signout')}><${Icon} name="out" /><span>${t('signout')}</span></button>
      </nav>
      <div class="menu-look">
        <span class="label"><${Icon} name="language" /> ${t('language')}</span>
        <div class="chips">
          ${Object.entries(languages).map(([id, name]) => html`<button type="button" key=${id} class="chip" lang=${id} data-test=${`language-${id}`} aria-pressed=${language === id} onClick=${() => setLanguage(id)}>${name}</button>`)}
        </div>
        <span class="label"><${Icon} name="sun" /> ${t('theme')}</span>
        <div class="chips">
          ${/** @type {const} */ (['auto', 'light', 'dark']).map((id) => html`<button type="button" key=${id} class="chip" data-test=${`theme-${id}`} aria-pressed=${look === id} onClick=${() => (setTheme(id), setLook(id))}>${t(`theme.${id}`)}</button>`)}
        </div>
      </div>
    <//>`;
}

/** Another PIN for oneself; the old one is asked for. */
export function OwnPIN() {
  const { t, run, say, openSheet } = useTill();
  const [form, setForm] = useState(/** @type {Record<string, string>} */ ({ pin: '', again: '' }));
  /** @param {string} name @param {string} value */
  const set = (name, value) => setForm({ ...form, [name]: value });
  /** @param {Event} event */
  const send = async (event) => {
    event.preventDefault();
    if (form.pin !== form.again) return say({ level: 'error', text: t('setup.pins') });
    if (await run('people.pin', { pin: form.pin })) (openSheet(''), say({ level: 'info', text: t('settings.saved') }));
    return undefined;
  };
  return html`
    <${Dialog} title=${t('pin.own')} onClose=${() => openSheet('')} test="own-pin-dialog">
      <form class="stack" onSubmit=${send}>
        <${Field} name="pin" kind="password" digits="[0-9]{4,12}" label=${t('pin.fresh')} hint=${t('setup.pin.hint')} value=${form.pin} onInput=${set} />
        <${Field} name="again" kind="password" digits="[0-9]{4,12}" label=${t('setup.again')} value=${form.again} onInput=${set} />
        <button type="submit" class="button big primary">${t('save')}</button>
      </form>
    <//>`;
}

/** Which keys do what. */
export function Keys() {
  const { t, openSheet } = useTill();
  const keys = ['F2', 'F3', 'F4', 'F6', 'F7', 'F8', 'F9', 'F10', '+ −', '↑ ↓', 'Del', 'Esc'];
  return html`
    <${Dialog} title=${t('keys')} onClose=${() => openSheet('')} test="keys">
      <dl class="facts">${keys.map((k) => html`<div key=${k}><dt><kbd>${k}</kbd></dt><dd>${t(`key.${k}`)}</dd></div>`)}</dl>
      <p>${t('keys.scanner')}</p>
    <//>`;
}
