/** Articles from a CSV file: first what would change, then the change. */
import { html, useState } from '../vendor/htm-preact-standalone.module.js';
import { Icon } from '../parts/icons.js';
import { useTill } from '../till.js';

/** @typedef {{differences?: Difference[], problems?: Problem[], added?: number, changed?: number, removed?: number}} Trial */

/** @typedef {{sku: string, name: string, what: "added"|"changed"|"removed", fields?: string[]}} Difference */
/** @typedef {{line: number, sku: string, text: string}} Problem */

export function Articles() {
  const { t, run, say } = useTill();
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
    </section>`;
}
