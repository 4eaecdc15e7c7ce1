/** The small questions of a sale: how many, how much off, at what price, put aside under which name. */
import { html, useState } from '../vendor/htm-preact-standalone.module.js';
import { typed } from '../format.js';
import { useTill } from '../till.js';
import { Dialog } from './dialog.js';
import { Icon } from './icons.js';
import { Keypad } from './keypad.js';

/** @typedef {import('../contract.js').Line} Line */
/** @typedef {import('../contract.js').Article} Article */
/**
 * @typedef {{kind: "quantity"|"price", line: Line} | {kind: "discount", line?: Line} | {kind: "open"|"weigh", article: Article}
 *   | {kind: "suspend"|"abort"|"suspended"}} Question
 */

/** @param {{question: Question, onClose: () => void, pick: (q: Question|null) => void}} props */
export function Ask({ question, onClose }) {
  switch (question.kind) {
    case 'quantity': return html`<${Quantity} line=${question.line} onClose=${onClose} />`;
    case 'price': return html`<${Price} line=${question.line} onClose=${onClose} />`;
    case 'discount': return html`<${Off} line=${question.line} onClose=${onClose} />`;
    case 'open': return html`<${Open} article=${question.article} onClose=${onClose} />`;
    case 'weigh': return html`<${Weigh} article=${question.article} onClose=${onClose} />`;
    case 'suspend': return html`<${Suspend} onClose=${onClose} />`;
    case 'abort': return html`<${Abort} onClose=${onClose} />`;
    default: return html`<${Suspended} onClose=${onClose} />`;
  }
}

/** Millionths in one unit as typed: whole pieces, or thousandths of everything else. @param {string} unit */
const places = (unit) => (unit === 'piece' ? 6 : 3);

/** @param {{line: Line, onClose: () => void}} props */
function Quantity({ line, onClose }) {
  const { t, f, run } = useTill();
  const [digits, setDigits] = useState('');
  const quantity = typed(digits, places(line.unit));
  const enter = async () => {
    if (!digits) return;
    if (await run('basket.quantity', { line: line.no, quantity })) onClose();
  };
  return html`
    <${Dialog} title=${t('quantity.of', { name: line.name })} onClose=${onClose} test="quantity">
      <${Keypad} digits=${digits} onDigits=${setDigits} onEnter=${enter} most=${6} label=${t('quantity.now', { quantity: f.quantity(line.quantity) })}
        show=${digits ? `${f.quantity(quantity)} ${t(`unit.${line.unit}`)}` : undefined}>
        <button type="button" class="button big primary" disabled=${!digits} onClick=${enter}>${t('take')}<kbd>Enter</kbd></button>
      <//>
    <//>`;
}

/** @param {{value: string, onPick: (reason: string) => void, reasons: string[]}} props */
export function Reason({ value, onPick, reasons }) {
  const { t } = useTill();
  return html`
    <div class="reason">
      <span class="label" id="reason-label">${t('reason')}</span>
      <div class="chips" role="group" aria-labelledby="reason-label">
        ${reasons.map((r) => html`<button type="button" key=${r} class="chip" aria-pressed=${value === t(r)} onClick=${() => onPick(t(r))}>${t(r)}</button>`)}
      </div>
      <input class="field" aria-label=${t('reason')} placeholder=${t('reason.other')} maxlength="80" value=${value} onInput=${(/** @type {any} */ e) => onPick(e.currentTarget.value)} />
    </div>`;
}

/** @param {{line: Line, onClose: () => void}} props */
function Price({ line, onClose }) {
  const { t, f, run } = useTill();
  const [digits, setDigits] = useState('');
  const [reason, setReason] = useState('');
  const enter = async () => {
    if (digits && reason && await run('basket.price', { line: line.no, price: typed(digits, 6 - f.exponent), reason })) onClose();
  };
  return html`
    <${Dialog} title=${t('price.of', { name: line.name })} onClose=${onClose} kind="wide" test="price">
      <${Reason} value=${reason} onPick=${setReason} reasons=${['reason.damaged', 'reason.expiry', 'reason.label', 'reason.promotion']} />
      <${Keypad} digits=${digits} onDigits=${setDigits} onEnter=${enter} label=${t('price.now', { price: f.price(line.unitPrice) })} show=${f.plain(typed(digits, 0))}>
        <button type="button" class="button big primary" disabled=${!digits || !reason} onClick=${enter}>${t('take')}<kbd>Enter</kbd></button>
      <//>
    <//>`;
}

/** @param {{line?: Line, onClose: () => void}} props */
function Off({ line, onClose }) {
  const { t, f, run } = useTill();
  const [by, setBy] = useState('percent');
  const [digits, setDigits] = useState('');
  const [reason, setReason] = useState(t('reason.promotion'));
  const enter = async () => {
    if (!digits || !reason) return;
    const size = by === 'percent' ? { percent: typed(digits, 3) } : { amount: typed(digits, 0) };
    if (await run('basket.discount', { ...(line ? { line: line.no } : {}), ...size, reason })) onClose();
  };
  return html`
    <${Dialog} title=${line ? t('discount.of', { name: line.name }) : t('discount.whole')} onClose=${onClose} kind="wide" test="discount">
      <div>
        <div class="types two" role="group" aria-label=${t('discount.by')}>
          <button type="button" class="type" aria-pressed=${by === 'percent'} onClick=${() => (setBy('percent'), setDigits(''))}><${Icon} name="percent" />${t('discount.percent')}</button>
          <button type="button" class="type" aria-pressed=${by === 'amount'} onClick=${() => (setBy('amount'), setDigits(''))}><${Icon} name="cash" />${t('discount.amount')}</button>
        </div>
        ${by === 'percent' && html`<div class="chips">${['5', '10', '20', '50'].map((p) => html`<button type="button" key=${p} class="chip" aria-pressed=${digits === p} onClick=${() => setDigits(p)}>${f.percent(typed(p, 3))}</button>`)}</div>`}
        <${Reason} value=${reason} onPick=${setReason} reasons=${['reason.promotion', 'reason.damaged', 'reason.expiry', 'reason.staff', 'reason.goodwill']} />
      </div>
      <${Keypad} digits=${digits} onDigits=${setDigits} onEnter=${enter} most=${by === 'percent' ? 3 : 9} label=${t(`discount.${by}`)}
        show=${by === 'percent' ? f.percent(typed(digits, 3)) : f.plain(typed(digits, 0))}>
        <button type="button" class="button big primary" data-test="discount-take" disabled=${!digits || !reason} onClick=${enter}>${t('take')}<kbd>Enter</kbd></button>
      <//>
    <//>`;
}

/** @param {{article: Article, onClose: () => void}} props */
function Open({ article, onClose }) {
  const { t, f, run } = useTill();
  const [digits, setDigits] = useState('');
  const enter = async () => {
    if (digits && await run('basket.add', { sku: article.sku, price: typed(digits, 6 - f.exponent) })) onClose();
  };
  return html`
    <${Dialog} title=${article.name} onClose=${onClose} test="open-price">
      <${Keypad} digits=${digits} onDigits=${setDigits} onEnter=${enter} label=${t('price.open')} show=${f.plain(typed(digits, 0))}>
        <button type="button" class="button big primary" disabled=${!digits} onClick=${enter}>${t('take')}<kbd>Enter</kbd></button>
      <//>
    <//>`;
}

/** @param {{article: Article, onClose: () => void}} props */
function Weigh({ article, onClose }) {
  const { t, f, run } = useTill();
  const [digits, setDigits] = useState('');
  const quantity = typed(digits, 3);
  const enter = async () => {
    if (digits && await run('basket.add', { sku: article.sku, quantity })) onClose();
  };
  return html`
    <${Dialog} title=${article.name} onClose=${onClose} test="weigh">
      <${Keypad} digits=${digits} onDigits=${setDigits} onEnter=${enter} most=${6} label=${t('weigh', { price: f.price(article.unitPrice), unit: t(`unit.${article.unit}`) })}
        show=${`${f.quantity(quantity)} ${t(`unit.${article.unit}`)}`}>
        <button type="button" class="button big primary" disabled=${!digits} onClick=${enter}>${t('take')}<kbd>Enter</kbd></button>
      <//>
    <//>`;
}

/** @param {{onClose: () => void}} props */
function Suspend({ onClose }) {
  const { t, run } = useTill();
  const [label, setLabel] = useState('');
  const enter = async () => {
    if (await run('basket.suspend', label ? { label } : {})) onClose();
  };
  return html`
    <${Dialog} title=${t('suspend.title')} onClose=${onClose} test="suspend">
      <form class="stack" onSubmit=${(/** @type {Event} */ e) => (e.preventDefault(), enter())}>
        <label class="stack"><span class="label">${t('suspend.label')}</span>
          <input class="field" data-typing maxlength="40" value=${label} onInput=${(/** @type {any} */ e) => setLabel(e.currentTarget.value)} /></label>
        <button type="submit" class="button big primary" data-test="suspend-take">${t('suspend')}<kbd>Enter</kbd></button>
      </form>
    <//>`;
}

/** @param {{onClose: () => void}} props */
function Abort({ onClose }) {
  const { t, run } = useTill();
  const [reason, setReason] = useState(t('reason.customer'));
  const enter = async () => {
    if (await run('basket.abort', { reason })) onClose();
  };
  return html`
    <${Dialog} title=${t('abort.title')} onClose=${onClose} test="abort">
      <div class="stack">
        <p>${t('abort.words')}</p>
        <${Reason} value=${reason} onPick=${setReason} reasons=${['reason.customer', 'reason.mistake', 'reason.money']} />
        <button type="button" class="button big danger" data-test="abort-take" onClick=${enter}>${t('abort')}</button>
      </div>
    <//>`;
}

/** @param {{onClose: () => void}} props */
function Suspended({ onClose }) {
  const { t, f, state, run } = useTill();
  /** @param {string} id */
  const resume = async (id) => {
    if (await run('basket.resume', { id })) onClose();
  };
  return html`
    <${Dialog} title=${t('suspended')} onClose=${onClose} test="suspended-list">
      <ul class="rows">
        ${state.suspended.map((s) => html`
          <li key=${s.id}><button type="button" class="row" onClick=${() => resume(s.id)}>
            <span class="row-main"><b>${s.label || t('suspended.nameless')}</b><small>${f.clock(s.at)} · ${t('basket.lines', { count: s.lines })}</small></span>
            <span class="row-amount">${f.money(s.total)}</span></button></li>`)}
      </ul>
      ${state.suspended.length === 0 && html`<p class="empty-words">${t('suspended.none')}</p>`}
    <//>`;
}
