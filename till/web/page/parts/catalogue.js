/** The articles as tiles, by group, or as found by what was typed. */
import { html, useState } from '../vendor/htm-preact-standalone.module.js';
import { useAnswer, useTill } from '../till.js';
import { Icon } from './icons.js';

/** @typedef {import('../contract.js').Article} Article */

/** @param {{query: string, onPick: (article: Article) => void, onFound: (articles: Article[]) => void}} props */
export function Catalogue({ query, onPick, onFound }) {
  const { t, f, state, openSheet } = useTill();
  const [group, setGroup] = useState('');
  const searching = query.trim() !== '' && !/^[\d*×x]+$/.test(query);
  const { answer, problem, again } = useAnswer('articles', searching ? { q: query.trim(), limit: 60 } : { group, limit: 120 });
  /** @type {import('../contract.js').Articles} */
  const found = answer ?? { articles: [], groups: [], more: false };
  onFound(searching ? found.articles : []);
  return html`
    <section class="catalogue" aria-label=${t('articles')}>
      <nav class="groups" aria-label=${t('groups')}>
        <button type="button" class="group" aria-pressed=${group === '' && !searching} onClick=${() => setGroup('')}>${t('groups.all')}</button>
        ${found.groups.map((g, i) => html`
          <button type="button" key=${g.id} class="group hue-${i % 8}" aria-pressed=${group === g.id && !searching} onClick=${() => setGroup(g.id)}>${g.name}</button>`)}
        ${state.suspended.length > 0 && html`
          <button type="button" class="group parked" data-test="suspended" onClick=${() => openSheet('suspended')}>
            <${Icon} name="pause" /> ${t('suspended.count', { count: state.suspended.length })}
          </button>`}
      </nav>
      ${searching && html`<p class="found" role="status">${t('search.found', { count: found.articles.length, words: query.trim() })}</p>`}
      ${problem && html`<p class="empty-words">${problem} <button type="button" class="button" onClick=${again}>${t('again')}</button></p>`}
      ${!problem && answer && found.articles.length === 0 && html`<p class="empty-words">${searching ? t('search.nothing') : t('articles.none')}</p>`}
      <div class="tiles" data-test="tiles" lang=${state.shop.language}>
        ${found.articles.map((a, i) => html`
          <button type="button" key=${a.sku} data-test=${`article-${a.sku}`} onClick=${() => onPick(a)}
            class="tile hue-${Math.max(0, found.groups.findIndex((g) => g.id === a.group)) % 8} ${searching && i === 0 ? 'first' : ''}">
            <span class="tile-name">${a.name}</span>
            <span class="tile-price">${a.open ? t('price.open') : f.price(a.unitPrice)}${!a.open && a.unit !== 'piece' ? html`<small> / ${t(`unit.${a.unit}`)}</small>` : ''}</span>
            ${searching && i === 0 && html`<kbd class="tile-key">Enter</kbd>`}
          </button>`)}
      </div>
    </section>`;
}
