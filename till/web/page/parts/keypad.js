/** A keypad on the screen, with a field that a keyboard types into as well. Digits only. */
import { html, useRef } from '../vendor/htm-preact-standalone.module.js';
import { useTill } from '../till.js';
import { Icon } from './icons.js';

/**
 * @param {{
 *   digits: string, onDigits: (digits: string) => void, onEnter?: () => void, show?: string, label: string,
 *   most?: number, secret?: boolean, children?: any, test?: string, double?: boolean,
 * }} props digits is what was typed; show is how it reads
 */
export function Keypad({ digits, onDigits, onEnter, show, label, most = 9, secret = false, children, test = 'keypad', double = true }) {
  const { t } = useTill();
  const latest = useRef(onEnter);
  latest.current = onEnter;
  /** @param {string} text */
  const set = (text) => onDigits(text.replace(/\D/g, '').slice(0, most));
  /** @param {KeyboardEvent} event */
  const down = (event) => {
    if (event.key !== 'Enter' || !latest.current) return;
    event.preventDefault();
    setTimeout(() => latest.current?.()); // after the last digit has been taken in
  };
  const keys = ['7', '8', '9', '4', '5', '6', '1', '2', '3', ...(double ? ['00'] : ['']), '0'];
  return html`
    <div class="keypad" data-test=${test}>
      <label class="keypad-field">
        <span class="keypad-label">${label}</span>
        <span class="keypad-show ${digits ? '' : 'empty'}" aria-hidden="true">${show ?? (secret ? '•'.repeat(digits.length) || '–' : digits || '–')}</span>
        <input class="keypad-input" data-typing data-digits="yes" type=${secret ? 'password' : 'text'} inputmode="none" autocomplete="off" aria-label=${label}
          value=${digits} onInput=${(/** @type {any} */ e) => set(e.currentTarget.value)} onKeyDown=${down} />
      </label>
      <div class="keypad-keys">
        ${keys.map((k) => k === ''
          ? html`<span></span>`
          : html`<button type="button" class="key" key=${k} onClick=${() => set(digits + k)}>${k}</button>`)}
        <button type="button" class="key" aria-label=${t('keypad.back')} onClick=${() => set(digits.slice(0, -1))}><${Icon} name="backspace" /></button>
      </div>
      ${children}
    </div>`;
}
