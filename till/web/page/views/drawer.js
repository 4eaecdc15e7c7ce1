/** The cash drawer: begun with a float, counted, closed. The node does the sums. */
import { html, useState } from '../vendor/htm-preact-standalone.module.js';
import { typed } from '../format.js';
import { Dialog } from '../parts/dialog.js';
import { Icon } from '../parts/icons.js';
import { Keypad } from '../parts/keypad.js';
import { Reason } from '../parts/questions.js';
import { useTill } from '../till.js';

/** @typedef {{expected?: number, counted?: number, difference?: number}} Count */

/** @type {Record<string, string[]>} which reasons are usual */
const reasons = {
  'drawer.payin': ['reason.change', 'reason.other'],
  'drawer.payout': ['reason.bank', 'reason.supplier', 'reason.other'],
};

export function Drawer() {
  const { state, t, f, run, may } = useTill();
  const [act, setAct] = useState('');
  const [count, setCount] = useState(/** @type {Count|null} */ (null));
  const open = state.drawer.session === 'open';
  const dispenser = hasDispenser(state);
  const close = () => setAct('');
  /** @param {string} what @param {string} icon */
  const button = (what, icon) => may(what) && html`
    <button type="button" class="tile-act" data-test=${what} onClick=${() => setAct(what)}><${Icon} name=${icon} /><b>${t(`do.${what}`)}</b><small>${t(`do.${what}.hint`)}</small></button>`;
  return html`
    <section class="card" data-test="drawer">
      <header class="card-head"><h2>${open ? t('drawer.open') : t('drawer.closed')}</h2>
        <span>${open ? t('drawer.since', { time: f.moment(state.drawer.since) }) : t('drawer.closed.hint')}</span></header>
      ${state.drawer.physicallyOpen && html`<p class="said"><${Icon} name="warn" /> ${t('drawer.standing')}</p>`}
      <div class="tile-acts">
        ${!open && button('drawer.open', 'drawer')}
        ${open && html`${button('drawer.float', 'cash')}${button('drawer.payin', 'plus')}${button('drawer.payout', 'minus')}${button('drawer.count', 'cash')}${button('drawer.close', 'lock')}`}
        ${dispenser && may('dispenser.clear') && html`<button type="button" class="tile-act" data-test="dispenser.clear" onClick=${() => run('dispenser.clear')}><${Icon} name="undo" /><b>${t('do.dispenser.clear')}</b><small>${t('do.dispenser.clear.hint')}</small></button>`}
        ${may('drawer.nosale') && html`<button type="button" class="tile-act" onClick=${() => run('drawer.nosale', { reason: t('reason.change') })}><${Icon} name="drawer" /><b>${t('do.drawer.nosale')}</b><small>${t('do.drawer.nosale.hint')}</small></button>`}
      </div>
      ${count && html`
        <dl class="facts count" data-test="count-result">
          <div><dt>${t('count.expected')}</dt><dd>${f.money(count.expected ?? 0)}</dd></div>
          <div><dt>${t('count.counted')}</dt><dd>${f.money(count.counted ?? 0)}</dd></div>
          <div class=${count.difference ? 'off' : 'even'}><dt>${t('count.difference')}</dt><dd>${f.money(count.difference ?? 0)}</dd></div>
        </dl>`}
    </section>
    ${(act === 'drawer.open' || act === 'drawer.float') && html`<${Amount} what=${act} onClose=${close} />`}
    ${(act === 'drawer.payin' || act === 'drawer.payout') && html`<${Amount} what=${act} onClose=${close} />`}
    ${(act === 'drawer.count' || act === 'drawer.close') && html`<${Counting} what=${act} onClose=${close} onCount=${setCount} />`}`;
}

/** @param {import('../contract.js').State} state */
const hasDispenser = (state) => (state.devices ?? []).some((d) => d.kind === 'dispenser');

/** @param {{what: string, onClose: () => void}} props */
function Amount({ what, onClose }) {
  const { t, f, run, state } = useTill();
  const [digits, setDigits] = useState('');
  const [dispense, setDispense] = useState(false);
  const choice = what === 'drawer.payout' && hasDispenser(state);
  const usual = reasons[what];
  const [reason, setReason] = useState(usual ? t(usual[0]) : '');
  const enter = async () => {
    if (await run(what, { amount: typed(digits, 0), ...(usual ? { reason } : {}), ...(dispense ? { dispense } : {}) })) onClose();
  };
  return html`
    <${Dialog} title=${t(`do.${what}`)} onClose=${onClose} kind=${usual ? 'wide' : ''} test="drawer-amount">
      ${usual && html`<div><${Reason} value=${reason} onPick=${setReason} reasons=${usual} />
        ${choice && html`<div class="types two" role="group" aria-label=${t('drawer.payout.by')}>
          ${[false, true].map((by) => html`<button type="button" key=${by} class="type" data-test=${`payout-${by ? 'dispenser' : 'drawer'}`} aria-pressed=${dispense === by} onClick=${() => setDispense(by)}><${Icon} name=${by ? 'cash' : 'drawer'} />${t(`drawer.payout.${by ? 'dispenser' : 'drawer'}`)}</button>`)}
        </div>`}</div>`}
      <${Keypad} digits=${digits} onDigits=${setDigits} onEnter=${enter} label=${t(`${what}.amount`)} show=${f.plain(typed(digits, 0))}>
        <button type="button" class="button big primary" data-test="drawer-take" disabled=${usual && (!digits || !reason)} onClick=${enter}>${t(`do.${what}`)}<kbd>Enter</kbd></button>
      <//>
    <//>`;
}

/** Pieces of each coin and note. @param {{what: string, onClose: () => void, onCount: (count: Count) => void}} props */
function Counting({ what, onClose, onCount }) {
  const { t, f, run, state } = useTill();
  const [pieces, setPieces] = useState(/** @type {Record<number, string>} */ ({}));
  const values = (state.shop.denominations ?? []).toReversed();
  const enter = async () => {
    const counts = values.filter((v) => pieces[v]).map((value) => ({ value, pieces: typed(pieces[value], 0) }));
    const result = await run(what, { counts });
    if (result) (onCount(result), onClose());
  };
  return html`
    <${Dialog} title=${t(`do.${what}`)} onClose=${onClose} kind="wide one" test="counting">
      <form class="stack" onSubmit=${(/** @type {Event} */ e) => (e.preventDefault(), enter())}>
        <p>${t('count.words')}</p>
        <div class="pieces">
          ${values.map((v) => html`
            <label key=${v} class="piece"><span>${f.money(v)}</span>
              <input class="field" inputmode="numeric" pattern="[0-9]*" maxlength="5" autocomplete="off" name=${`pieces-${v}`} data-test=${`pieces-${v}`} aria-label=${t('count.pieces', { value: f.money(v) })}
                value=${pieces[v] ?? ''} onInput=${(/** @type {any} */ e) => setPieces({ ...pieces, [v]: e.currentTarget.value.replace(/\D/g, '') })} /></label>`)}
        </div>
        <button type="submit" class="button big primary" data-test="count-take">${t(`do.${what}`)}</button>
      </form>
    <//>`;
}
