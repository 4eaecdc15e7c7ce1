/** The basket as the node has it: a receipt in the making. */
import { html, useEffect, useRef } from '../vendor/htm-preact-standalone.module.js';
import { useTill } from '../till.js';
import { Icon } from './icons.js';

/** @typedef {import('../contract.js').Line} Line */
/** @typedef {import('../contract.js').Basket} Basket */

/**
 * @param {{basket: Basket, selected: number, onSelect: (line: number) => void, onAct: (what: string, line: Line) => void}} props
 */
export function Lines({ basket, selected, onSelect, onAct }) {
  const list = useRef(/** @type {HTMLElement|null} */ (null));
  useEffect(() => {
    const row = list.current?.querySelector('[aria-current="true"]');
    row?.scrollIntoView({ block: 'nearest' });
  }, [selected, basket.lines.length]);
  return html`
    <ol class="lines" ref=${list} data-test="lines">
      ${basket.lines.map((line) => html`
        <${Row} key=${line.no} line=${line} chosen=${line.no === selected} onSelect=${onSelect} onAct=${onAct} returning=${basket.mode === 'return'} />`)}
    </ol>`;
}

/**
 * @param {{line: Line, chosen: boolean, returning: boolean, onSelect: (line: number) => void, onAct: (what: string, line: Line) => void}} props
 */
function Row({ line, chosen, returning, onSelect, onAct }) {
  const { t, f } = useTill();
  const single = line.quantity === 1000000 && line.unit === 'piece';
  return html`
    <li class="line ${chosen ? 'chosen' : ''}" aria-current=${chosen ? 'true' : 'false'} data-test=${`line-${line.no}`}>
      <button type="button" class="line-face" aria-expanded=${chosen} onClick=${() => onSelect(chosen ? 0 : line.no)}>
        <span class="line-name">${line.name}</span>
        <span class="line-gross">${f.plain(line.gross)}</span>
        <span class="line-detail">
          ${single ? '' : html`<b>${f.quantity(line.quantity)}${line.unit === 'piece' ? '' : ` ${t(`unit.${line.unit}`)}`}</b> × ${f.price(line.unitPrice)} `}
          ${line.discount ? html`<span class="line-discount"><${Icon} name="percent" /> ${f.money(line.discount)} ${line.discountReason}</span> ` : ''}
          ${line.note ? html`<span class="line-note">${line.note}</span>` : ''}
        </span>
        <span class="line-letter" title=${f.percent(line.rate)}>${line.letter}</span>
      </button>
      ${chosen && html`<div class="line-acts" role="group" aria-label=${line.name}>
        ${!returning && html`
        <button type="button" class="act" aria-label=${t('line.less')} onClick=${() => onAct('less', line)}><${Icon} name="minus" /></button>
        <button type="button" class="act" aria-label=${t('line.more')} onClick=${() => onAct('more', line)}><${Icon} name="plus" /></button>
        <button type="button" class="act words" onClick=${() => onAct('quantity', line)}>${t('line.quantity')}<kbd>F3</kbd></button>
        <button type="button" class="act words" onClick=${() => onAct('discount', line)}>${t('line.discount')}<kbd>F4</kbd></button>
        <button type="button" class="act words" onClick=${() => onAct('price', line)}>${t('line.price')}</button>`}
        <button type="button" class="act danger" aria-label=${t('line.remove')} onClick=${() => onAct('remove', line)}><${Icon} name="trash" /></button>
      </div>`}
    </li>`;
}

/** A class for amounts that need smaller figures. @param {string} text */
export const long = (text) => (text.length > 12 ? 'long' : '');

/** What stands under the lines: discounts, tenders, tax and the total. @param {{basket: Basket}} props */
export function Sums({ basket }) {
  const { t, f } = useTill();
  const split = basket.tenders.length > 0;
  const total = f.money(split ? basket.due : basket.total);
  return html`
    <dl class="sums" data-test="sums">
      ${basket.discounts.map((d) => html`<div class="sum discount"><dt>${t('sum.discount')} ${d.reason}</dt><dd>${f.plain(d.amount)}</dd></div>`)}
      ${basket.taxes.map((x) => html`<div class="sum tax"><dt>${t('sum.tax', { letter: x.letter, rate: f.percent(x.rate) })}</dt><dd>${f.plain(x.tax)}</dd></div>`)}
      ${basket.rounding ? html`<div class="sum"><dt>${t('sum.rounding')}</dt><dd>${f.plain(basket.rounding)}</dd></div>` : ''}
      ${basket.tenders.map((p) => html`<div class="sum tender"><dt>${t(`tender.${p.type}`)}</dt><dd>${f.plain(p.amount)} ${p.currency}</dd></div>`)}
      <div class="sum total" data-test="total">
        <dt>${split ? t('sum.due') : basket.mode === 'return' ? t('sum.back') : t('sum.total')}</dt>
        <dd class=${long(total)}>${total}</dd>
      </div>
    </dl>`;
}
