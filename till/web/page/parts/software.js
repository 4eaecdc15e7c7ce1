/** An update of the till's software, as pictures: the way it goes, the two slots, the change of version. */
import { html, useEffect, useRef, useState } from '../vendor/htm-preact-standalone.module.js';
import { fetching, parse, station, stations, version } from '../software.js';
import { useTill } from '../till.js';
import { Icon } from './icons.js';

/** @typedef {import('../contract.js').Software} Software */

/** One version as a plate: its number large, its date, all of its identity. @param {{identity: string, label: string, kind?: string}} props */
export function Plate({ identity, label, kind = '' }) {
  const { t, f } = useTill();
  const parts = parse(identity);
  return html`
    <div class="plate ${kind}">
      <small>${label}</small>
      ${identity && html`<b>${parts ? t('software.version', { version: version(identity) }) : identity}</b>`}
      ${parts && html`<span>${f.day(parts.date)}</span><code>${identity}</code>`}
    </div>`;
}

/** The way of an update: stations passed, the one that is worked at, those to come. @param {{software: Software}} props */
export function Track({ software }) {
  const { t } = useTill();
  const at = station(software);
  return html`
    <ol class="track" data-test="track" aria-label=${t('software.track')}>
      ${stations.map((name, i) => html`
        <li key=${name} class=${i < at ? 'passed' : i === at ? 'current' : 'ahead'} aria-current=${i === at ? 'step' : undefined} data-test=${i === at ? `station-${name}` : undefined}>
          <span class="stop">${i < at ? html`<${Icon} name="check" />` : i + 1}</span><span>${t(`software.station.${name}`)}</span></li>`)}
    </ol>`;
}

/**
 * Seconds until all is there, by how fast the last half minute was; 0 while that is not known.
 * @param {number} bytes
 * @param {number} total
 */
export function useLeft(bytes, total) {
  const seen = useRef(/** @type {{at: number, bytes: number}[]} */ ([]));
  const [left, setLeft] = useState(0);
  useEffect(() => {
    const now = performance.now();
    seen.current = [...seen.current.filter((s) => now - s.at < 30_000 && s.bytes <= bytes), { at: now, bytes }];
    const first = seen.current[0];
    const speed = (bytes - first.bytes) / (now - first.at);
    setLeft(now - first.at > 1500 && speed > 0 ? (total - bytes) / speed / 1000 : 0);
  }, [bytes, total]);
  return left;
}

/** How much is there, and how long it takes. @param {{software: Software}} props */
export function Fetching({ software }) {
  const { t, f } = useTill();
  const part = fetching(software);
  const left = useLeft(part?.bytes ?? 0, part?.total ?? 0);
  if (!part) return null;
  return html`
    <div class="fetching" data-test="fetching">
      <p><b>${t('software.fetched', { bytes: f.bytes(part.bytes), total: f.bytes(part.total) })}</b>
        <span>${left ? t('software.left', { time: f.span(left) }) : f.share(part.bytes, part.total)}</span></p>
      <progress max=${part.total} value=${part.bytes} aria-label=${t('software.station.fetched')}></progress>
      <small>${t('software.fetching')}</small>
    </div>`;
}

/** What lies in the other slot, as far as the node has told. @param {Software} software @returns {{identity: string, what: "coming"|"before"|"failed"|"empty"}} */
function beside(software) {
  const update = software.update?.of ? null : software.update; // the operating system lies elsewhere
  const last = software.last?.of ? null : software.last;
  if (update && station(software) >= 4 && !update.waiting) return { identity: update.identity, what: 'coming' };
  if (last?.outcome === 'kept' && last.from) return { identity: last.from, what: 'before' };
  if (last?.outcome === 'fallen-back') return { identity: last.identity, what: 'failed' };
  return { identity: '', what: 'empty' };
}

/** The two slots, and which of them the till was started from. @param {{software: Software}} props */
export function Slots({ software }) {
  const { t } = useTill();
  const other = beside(software);
  const slots = [
    { slot: software.slot, identity: software.identity, what: software.trial ? 'trial' : 'runs' },
    { slot: software.slot === 'b' ? 'a' : 'b', ...other },
  ].toSorted((x, y) => (x.slot < y.slot ? -1 : 1));
  return html`
    <div class="slots" role="group" aria-label=${t('software.slots')} data-test="slots">
      ${slots.map((s) => html`
        <div key=${s.slot} class="slot ${s.what}">
          <span class="slot-name">${s.slot.toUpperCase()}</span>
          <${Plate} identity=${s.identity} label=${t(`software.slot.${s.what}`)} kind="bare" />
        </div>`)}
      <span class="slot-boot"><${Icon} name="seal" />${t('software.slots.boot')}</span>
    </div>`;
}
