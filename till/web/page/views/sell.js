/** Selling: the articles, the basket, paying, and the change. */
import { html, useEffect, useRef, useState } from '../vendor/htm-preact-standalone.module.js';
import { useKeys } from '../keys.js';
import { Lines, long, Sums } from '../parts/basket.js';
import { Catalogue } from '../parts/catalogue.js';
import { Change, Paper } from '../parts/finished.js';
import { Icon } from '../parts/icons.js';
import { Ask } from '../parts/questions.js';
import { Stopped } from '../parts/stopped.js';
import { Tendering } from '../parts/tender.js';
import { stopped } from '../software.js';
import { useTill } from '../till.js';
import { named } from '../words.js';

/** @typedef {import('../contract.js').Line} Line */
/** @typedef {import('../contract.js').Article} Article */
/** @typedef {import('../parts/questions.js').Question} Question */

/** @param {{query: string, setQuery: (text: string) => void, found: {current: Article[]}}} props */
export function Sell({ query, setQuery, found }) {
  const { state, t, f, run, go, may, finished, setFinished, sheet, openSheet } = useTill();
  const basket = state.basket ?? null;
  const filled = basket !== null && basket.lines.length > 0;
  const [chosen, setChosen] = useState(0);
  const [tab, setTab] = useState(/** @type {"articles"|"basket"} */ ('articles'));
  const [question, setQuestion] = useState(/** @type {Question|null} */ (null));
  const grown = useRef(0);
  const paying = sheet === 'tender' && filled;

  useEffect(() => {
    const length = basket?.lines.length ?? 0;
    if (length !== grown.current && chosen && !basket?.lines.some((l) => l.no === chosen)) setChosen(0);
    if (length > grown.current && finished) setFinished(null);
    grown.current = length;
  }, [basket]);

  const line = basket?.lines.find((l) => l.no === chosen) ?? basket?.lines.at(-1);

  /** @param {Article} article */
  const pick = async (article) => {
    setFinished(null);
    if (article.open) setQuestion({ kind: 'open', article });
    else if (article.unit !== 'piece') setQuestion({ kind: 'weigh', article });
    else await run('basket.add', { sku: article.sku });
    setQuery('');
  };

  /** @param {string} what @param {Line} on */
  const act = (what, on) => {
    if (what === 'more') run('basket.quantity', { line: on.no, quantity: on.quantity + 1000000 });
    else if (what === 'less' && on.quantity > 1000000) run('basket.quantity', { line: on.no, quantity: on.quantity - 1000000 });
    else if (what === 'remove' || what === 'less') run('basket.remove', { line: on.no });
    else setQuestion(/** @type {Question} */ ({ kind: what, line: on }));
  };

  /** @param {object} args */
  const tender = async (args) => {
    const result = await run('basket.tender', args);
    if (!result?.receipt) return;
    openSheet('');
    setChosen(0);
    setTab('articles');
    setFinished({ ...result.receipt, returned: basket?.mode === 'return' });
  };

  /** @param {number} by */
  const move = (by) => {
    const lines = basket?.lines ?? [];
    const at = lines.findIndex((l) => l.no === chosen);
    const to = at < 0 ? (by < 0 ? lines.length - 1 : 0) : at + by;
    setChosen(lines[to]?.no ?? 0);
  };

  useKeys({
    F3: () => line && setQuestion({ kind: 'quantity', line }),
    F4: () => filled && setQuestion(chosen && line ? { kind: 'discount', line } : { kind: 'discount' }),
    F6: () => (filled ? setQuestion({ kind: 'suspend' }) : openSheet('suspended')),
    F8: () => filled && openSheet('tender'),
    F9: () => filled && tender({ type: 'cash', complete: true }),
    ArrowDown: () => move(1),
    ArrowUp: () => move(-1),
    Delete: () => line && chosen && act('remove', line),
    '+': () => line && act('more', line),
    '-': () => line && act('less', line),
    Escape: () => (setChosen(0), setQuery(''), setFinished(null)),
  });

  const halted = stopped(state.software) !== '' && !filled && !state.training;
  const done = finished && !filled ? finished : null;
  const open = basket ? f.money(basket.tenders.length ? basket.due : basket.total) : '';
  const last = state.lastReceipt;
  return html`
    <div class="sell show-${tab} ${done ? 'is-done' : ''}" data-test="sell">
      <section class="ticket ${basket?.mode === 'return' ? 'returning' : ''}" aria-label=${t('basket')}>
        ${basket?.mode === 'return' && html`<p class="ticket-mode"><${Icon} name="undo" /> ${t('return.of', { number: basket.original?.number ?? '' })}
          <button type="button" class="button small" onClick=${() => go('return')}>${t('return.lines')}</button></p>`}
        ${done
          ? html`<div class="ticket-paper"><${Paper} number=${done.number} /></div>`
          : filled
            ? html`<${Lines} basket=${basket} selected=${chosen} onSelect=${setChosen} onAct=${act} />`
            : halted
              ? html`<div class="ticket-empty halted"><${Icon} name="stop" /><p>${t('stopped.title')}</p></div>`
              : state.ended
              ? html`<div class="ticket-empty halted" data-test="ended"><${Icon} name="stop" /><p>${t('ended.title')}</p><small>${t('ended.words', { time: f.moment(state.ended) })}</small></div>`
              : !may('basket.add')
              ? html`<div class="ticket-empty" data-test="no-seller"><${Icon} name="people" /><p>${t('noseller', { role: named(t, 'role', state.session?.person.role ?? '') })}</p><small>${may('people.add') ? t('noseller.people') : t('noseller.hint')}</small>
                ${may('people.add') && html`<button type="button" class="button" onClick=${() => go('people')}>${t('view.people')}</button>`}</div>`
              : html`<div class="ticket-empty"><${Icon} name="scan" /><p>${t('basket.empty')}</p><small>${t('basket.empty.hint')}</small></div>`}
        ${!done && html`
        <footer class="ticket-foot">
          ${filled && html`<${Sums} basket=${basket} />`}
          <div class="ticket-acts">
            <button type="button" class="button" disabled=${!filled} onClick=${() => setQuestion({ kind: 'discount' })}><${Icon} name="percent" />${t('discount')}<kbd>F4</kbd></button>
            <button type="button" class="button" disabled=${!filled} onClick=${() => setQuestion({ kind: 'suspend' })}><${Icon} name="pause" />${t('suspend')}<kbd>F6</kbd></button>
            <button type="button" class="button" disabled=${!filled} aria-label=${t('abort')} onClick=${() => setQuestion({ kind: 'abort' })}><${Icon} name="trash" /></button>
          </div>
          <div class="pay-row">
            <button type="button" class="button pay exact" data-test="cash-exact" disabled=${!filled} onClick=${() => tender({ type: 'cash', complete: true })}>
              <${Icon} name="cash" /><span>${t('tender.exact.short')}</span><kbd>F9</kbd></button>
            <button type="button" class="button pay primary" data-test="pay" disabled=${!filled} onClick=${() => openSheet('tender')}>
              <span class="pay-word">${basket?.mode === 'return' ? t('payout') : t('pay')}</span>
              ${filled && html`<span class="pay-total ${long(open)}">${open}</span>`}<kbd>F8</kbd></button>
          </div>
        </footer>`}
      </section>
      <div class="right">
        ${done && html`<${Change} total=${done.total} change=${done.change} number=${done.number} training=${state.training} returned=${done.returned === true}
          printed=${last?.number === done.number ? last.printed : 'pending'} dispensed=${last?.number === done.number ? last.dispensed : undefined} onDone=${() => setFinished(null)} />`}
        ${halted ? html`<${Stopped} />` : html`<${Catalogue} query=${query} onPick=${pick} onFound=${(/** @type {Article[]} */ list) => (found.current = list)} />`}
      </div>
      <nav class="tabs" aria-label=${t('tabs')}>
        <button type="button" aria-pressed=${tab === 'articles'} onClick=${() => setTab('articles')}>${t('articles')}</button>
        <button type="button" aria-pressed=${tab === 'basket'} data-test="tab-basket" onClick=${() => setTab('basket')}>${t('basket')}${filled ? html` <b class="bubble">${basket.lines.length}</b>` : ''}</button>
        <button type="button" class="tab-pay" data-test="tab-pay" disabled=${!filled} onClick=${() => openSheet('tender')}>${basket?.mode === 'return' ? t('payout') : t('pay')} ${filled ? open : ''}</button>
      </nav>
    </div>
    ${paying && html`<${Tendering} basket=${basket} onClose=${() => openSheet('')} onTender=${tender} />`}
    ${question && html`<${Ask} question=${question} pick=${setQuestion} onClose=${() => setQuestion(null)} />`}
    ${sheet === 'suspended' && html`<${Ask} question=${{ kind: 'suspended' }} pick=${setQuestion} onClose=${() => openSheet('')} />`}`;
}
