/** The bar on top: the scan field, the journal's seal, who is here, and the way to everything else. */
import { html, useEffect, useRef } from '../vendor/htm-preact-standalone.module.js';
import { useTill } from '../till.js';
import { Icon } from './icons.js';
import { UpdateBadge } from './update.js';

/** The journal in one glance: how many entries, and whether they are sealed. */
export function SealMark() {
  const { state, t, f, go, may } = useTill();
  const { size, signed, signer, verifying } = state.journal;
  const open = signed < size;
  const words = signer === 'down' ? t('seal.down') : open ? t('seal.open', { count: size - signed }) : verifying ? t('seal.verifying') : t('seal.ok');
  return html`
    <button type="button" class="seal ${signer === 'down' ? 'broken' : open ? 'open' : 'closed'}" title=${words} data-test="seal" disabled=${!may('journal.view') && !may('journal.security')} onClick=${() => go('journal')}>
      <${Icon} name="seal" /><span><b>${f.count(size)}</b><small>${words}</small></span>
    </button>`;
}

/** @param {{query: string, setQuery: (text: string) => void, onEnter: (text: string) => void}} props */
export function TopBar({ query, setQuery, onEnter }) {
  const { state, t, f, go, openSheet, view } = useTill();
  const field = useRef(/** @type {HTMLInputElement|null} */ (null));
  const selling = view[0] === 'sell';
  useEffect(() => {
    if (selling && !matchMedia('(pointer: coarse)').matches) field.current?.focus();
  }, [selling]);
  return html`
    <header class="top">
      ${selling
        ? html`<span class="brand"><${Icon} name="seal" /><b>${state.shop.name}</b></span>`
        : html`<button type="button" class="brand back" data-test="back" onClick=${() => go('sell')}><${Icon} name="back" /><b>${t('back')}</b></button>`}
      <form class="scan" role="search" onSubmit=${(/** @type {Event} */ e) => (e.preventDefault(), onEnter(field.current?.value ?? query))}>
        <${Icon} name="scan" />
        <input ref=${field} data-typing data-test="scan" type="search" autocomplete="off" spellcheck=${false} enterkeyhint="go" aria-label=${t('scan.label')} placeholder=${t('scan.hint')}
          value=${query} onInput=${(/** @type {any} */ e) => setQuery(e.currentTarget.value)} />
        ${query ? html`<button type="button" class="icon-button" aria-label=${t('clear')} onClick=${() => setQuery('')}><${Icon} name="close" /></button>` : html`<kbd>F2</kbd>`}
      </form>
      <${UpdateBadge} />
      <${SealMark} />
      <time class="clock">${f.clock(state.clock.now)}</time>
      <button type="button" class="who" data-test="menu" aria-haspopup="dialog" onClick=${() => openSheet('menu')}>
        <span class="who-name">${state.session?.person.name ?? ''}</span><${Icon} name="menu" /><kbd>F10</kbd>
      </button>
    </header>`;
}
