/** Nothing new is sold: why, and what to do. Stands where the articles would be. */
import { html } from '../vendor/htm-preact-standalone.module.js';
import { age, party, stopped } from '../software.js';
import { useTill } from '../till.js';
import { Icon } from './icons.js';

/** Asks what is released; the answer comes with the state. */
export function CheckButton({ kind = '' }) {
  const { state, t, run } = useTill();
  const { asked } = state.software ?? {};
  return html`
    <button type="button" class=${`button primary ${kind}`} data-test="software-check" disabled=${asked?.running === true} onClick=${() => run('software-check')}><${Icon} name="update" />${t('do.software-check')}</button>
    ${asked && html`<p class="asked ${asked.outcome}" role="status" data-test="asked">${asked.running ? t('software.asking') : t(`software.asked.${asked.outcome || 'none'}`)} ${asked.detail && html`<small>${asked.detail}</small>`}</p>`}`;
}

/** Why, in one sentence and what is known besides. @param {import('../contract.js').Software} software @param {import('../words.js').Words} t @param {import('../format.js').Formats} f */
export function reason(software, t, f) {
  const why = stopped(software);
  const w = software.withdrawn.find((x) => x.blocks);
  if (why === 'withdrawn' && w?.of === 'platform') return { text: t('stopped.withdrawn.platform', { by: party(w.by, t) }), detail: w.reason };
  if (why === 'withdrawn' && w) return { text: w.deadline ? t('stopped.withdrawn', { by: party(w.by, t), time: f.moment(w.deadline) }) : t('stopped.withdrawn.now', { by: party(w.by, t) }), detail: w.reason };
  if (why === 'withdrawn') return { text: t('stopped.before'), detail: '' };
  return { text: t(`stopped.${why}`), detail: why === 'stale' ? age(software.freshness.warn, t, f) : '' };
}

export function Stopped() {
  const { state, t, f, may, go, openSheet } = useTill();
  const { software } = state;
  if (!software) return null;
  const { text, detail } = reason(software, t, f);
  return html`
    <section class="stopped" role="alert" data-test="stopped">
      <header><${Icon} name="stop" /><h2>${t('stopped.title')}</h2></header>
      <p class="stopped-why">${text}</p>
      ${detail && html`<p class="stopped-detail">${detail}</p>`}
      <h3>${t('stopped.do')}</h3>
      <ol class="stopped-steps">
        ${software.update
          ? html`<li>${t('stopped.do.update')} <button type="button" class="button big primary" data-test="stopped-update" onClick=${() => openSheet('update')}><${Icon} name="update" />${t('software.look')}</button></li>`
          : html`<li>${t('stopped.do.check')} ${may('software-check') && html`<${CheckButton} kind="big" />`}</li>`}
        <li>${t('stopped.do.help')} ${may('software-check') && html`<button type="button" class="button" data-test="stopped-software" onClick=${() => go('software')}><${Icon} name="chip" />${t('view.software')}</button>`}</li>
      </ol>
      <small>${t('stopped.rest')}</small>
    </section>`;
}
