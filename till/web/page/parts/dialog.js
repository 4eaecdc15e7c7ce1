/** A window over the page: the browser's own dialog, so focus and Escape are right. */
import { html, useEffect, useRef } from '../vendor/htm-preact-standalone.module.js';
import { useKeys } from '../keys.js';
import { useTill } from '../till.js';
import { Icon } from './icons.js';

/**
 * @param {{title: string, onClose?: () => void, children?: any, kind?: string, test?: string}} props
 */
export function Dialog({ title, onClose, children, kind = '', test = '' }) {
  const { t } = useTill();
  const box = useRef(/** @type {HTMLDialogElement|null} */ (null));
  useKeys(onClose ? { Escape: onClose } : { Escape: () => {} }, 'modal');
  useEffect(() => {
    const dialog = box.current;
    if (dialog && !dialog.open) dialog.showModal();
    const first = dialog?.querySelector('[autofocus],[data-typing]');
    if (first instanceof HTMLElement) first.focus();
    return () => dialog?.close();
  }, []);
  // A touch on a button leaves the keyboard where it types, so that Enter still means "done".
  const stay = (/** @type {MouseEvent} */ event) => {
    if (event.target instanceof Element && event.target.closest('button') && box.current?.querySelector('[data-typing]')) event.preventDefault();
  };
  const id = `title-${test || 'dialog'}`;
  return html`
    <dialog ref=${box} class="dialog ${kind}" data-test=${test} aria-labelledby=${id} onMouseDown=${stay}
      onCancel=${(/** @type {Event} */ e) => (e.preventDefault(), onClose?.())}>
      <header class="dialog-head">
        <h2 id=${id}>${title}</h2>
        ${onClose && html`<button type="button" class="icon-button" aria-label=${t('close')} onClick=${onClose}><${Icon} name="close" /></button>`}
      </header>
      <div class="dialog-body">${children}</div>
    </dialog>`;
}
