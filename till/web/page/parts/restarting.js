/** The till is away because an update was activated, or this page is older than the till's program: said as what it is. */
import { html, useEffect, useState } from '../vendor/htm-preact-standalone.module.js';
import { named, version } from '../software.js';
import { useTill } from '../till.js';
import { useTop } from './banners.js';
import { Icon } from './icons.js';
import { Track } from './software.js';

/** How long a start usually takes at most, in seconds: after that more is said. */
const usual = 120;

/** Seconds since this was first shown. */
function useSeconds() {
  const [seconds, set] = useState(0);
  useEffect(() => {
    const begun = performance.now();
    const timer = setInterval(() => set(Math.floor((performance.now() - begun) / 1000)), 1000);
    return () => clearInterval(timer);
  }, []);
  return seconds;
}

/** The till starts again with new software. It covers the page: nothing could be sold now. */
export function Restarting() {
  const { t, state } = useTill();
  const box = useTop();
  const seconds = useSeconds();
  const { software } = state;
  if (!software) return null;
  const next = software.update ? named(software.update, t) : version(software.trial ? software.identity : '');
  const trial = !software.update && software.trial;
  const title = trial ? 'restarting.trial' : next ? 'restarting.title' : 'restarting.title.plain'; // nobody is signed in: less is known
  return html`
    <div ref=${box} popover="manual" class="restarting" role="alertdialog" aria-labelledby="restarting-title" data-test="restarting">
      <section class="restarting-card">
        <header><span class="turning" aria-hidden="true"><${Icon} name="update" /></span>
          <h1 id="restarting-title" role="status">${t(title, { version: next })}</h1></header>
        <p>${t(trial ? 'restarting.trial.words' : 'restarting.words')}</p>
        ${next && html`<${Track} software=${software.update ? { ...software, update: { ...software.update, stage: 'pointer' } } : software} />`}
        <p class="restarting-time" aria-hidden="true">${t('restarting.seconds', { count: seconds })}</p>
        ${seconds > usual && html`<p class="said" role="status" data-test="restarting-long">${t('restarting.long')}</p>`}
      </section>
    </div>`;
}

/** The till's program serves another page than this one, and loading it anew did not help. */
export function Stale() {
  const { t } = useTill();
  const box = useTop();
  return html`
    <div ref=${box} popover="manual" class="unreachable" role="alert" data-test="stale">
      <${Icon} name="update" />
      <div><b>${t('stale.title')}</b><p>${t('stale.words')}</p></div>
      <button type="button" class="button" data-test="stale-load" onClick=${() => location.reload()}>${t('stale.load')}</button>
    </div>`;
}
