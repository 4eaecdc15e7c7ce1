/** Articles from a CSV file: first what would change, then the change. */
import { html, useState } from '../vendor/htm-preact-standalone.module.js';
import { typed } from '../format.js';
import { Dialog } from '../parts/dialog.js';
import { Icon } from '../parts/icons.js';
import { Keypad } from '../parts/keypad.js';
import { useAnswer, useTill } from '../till.js';

/** @typedef {{differences?: Difference[], problems?: Problem[], added?: number, changed?: number, removed?: number}} Trial */

/** @typedef {{sku: string, name: string, what: "added"|"changed"|"removed", fields?: string[]}} Difference */
/** @typedef {{line: number, sku: string, text: string}} Problem */

export function Articles() {
  const { t, run, say, may } = useTill();
  const [csv, setCSV] = useState('');
  const [trial, setTrial] = useState(/** @type {Trial|null} */ (null));
  /** @param {File|undefined} file */
  const read = async (file) => {
    if (!file) return;
    const text = await file.text();
    setCSV(text);
    setTrial(await run('articles.import', { csv: text, dryRun: true }));
  };
  const take = async () => {
    if (!await run('articles.import', { csv, dryRun: false })) return;
    say({ level: 'info', text: t('articles.taken') });
    setTrial(null);
    setCSV('');
  };
  const differences = trial?.differences ?? [];
  const problems = trial?.problems ?? [];
  return html`
    <section class="card" data-test="articles-import">
      <p>${t('articles.words')}</p>
      <label class="drop"><${Icon} name="box" /><b>${t('articles.file')}</b><input type="file" accept=".csv,text/csv" onChange=${(/** @type {any} */ e) => read(e.currentTarget.files?.[0])} /></label>
      ${problems.length > 0 && html`<h2>${t('articles.problems', { count: problems.length })}</h2><ul class="plain-list">${problems.slice(0, 50).map((p, i) => html`<li key=${i}>${p.line ? t('articles.line', { line: p.line }) : ''} ${p.text}</li>`)}</ul>`}
      ${trial && html`<h2>${t('articles.differences', { count: differences.length })}</h2><ul class="plain-list">${differences.slice(0, 200).map((d, i) => html`<li key=${i}><b>${d.name}</b> ${d.sku} · ${t(`articles.what.${d.what}`)}</li>`)}</ul>
        <div class="card-acts"><button type="button" class="button big primary" disabled=${differences.length === 0} onClick=${take}>${t('articles.take')}</button></div>`}
    </section>
    ${may('articles.price') && html`<${Prices} />`}`;
}

/** Articles by name, and another price for one of them. */
function Prices() {
  const { t, f } = useTill();
  const [q, setQ] = useState('');
  const [turn, setTurn] = useState(0);
  const [chosen, setChosen] = useState(/** @type {import('../contract.js').Article|null} */ (null));
  const { answer, problem } = useAnswer('articles', { q, limit: 30 }, turn);
  /** @type {import('../contract.js').Article[]} */
  const found = answer?.articles ?? [];
  return html`
    <section class="card" data-test="prices">
      <h2>${t('prices')}</h2>
      <label class="search-field"><${Icon} name="search" /><input class="field" type="search" aria-label=${t('prices.search')} placeholder=${t('prices.search')} data-test="prices-search" value=${q} onInput=${(/** @type {any} */ e) => setQ(e.currentTarget.value)} /></label>
      ${problem && html`<p class="empty-words">${problem}</p>`}
      <ul class="rows">
        ${found.map((a) => html`<li key=${a.sku}><button type="button" class="row" data-test=${`price-${a.sku}`} disabled=${a.open} onClick=${() => setChosen(a)}>
          <span class="row-main"><b>${a.name}</b><small>${a.sku} ${a.code}</small></span><span class="row-amount">${a.open ? t('price.open') : f.price(a.unitPrice)}</span></button></li>`)}
      </ul>
    </section>
    ${chosen && html`<${Price} article=${chosen} onClose=${() => (setChosen(null), setTurn(turn + 1))} />`}`;
}

/** @param {{article: import('../contract.js').Article, onClose: () => void}} props */
function Price({ article, onClose }) {
  const { t, f, run } = useTill();
  const [digits, setDigits] = useState('');
  const enter = async () => {
    if (digits && await run('articles.price', { sku: article.sku, price: typed(digits, 6 - f.exponent) })) onClose();
  };
  return html`
    <${Dialog} title=${article.name} onClose=${onClose} test="article-price">
      <${Keypad} digits=${digits} onDigits=${setDigits} onEnter=${enter} label=${t('price.now', { price: f.price(article.unitPrice) })} show=${f.plain(typed(digits, 0))}>
        <button type="button" class="button big primary" data-test="price-take" disabled=${!digits} onClick=${enter}>${t('take')}<kbd>Enter</kbd></button>
      <//>
    <//>`;
}
