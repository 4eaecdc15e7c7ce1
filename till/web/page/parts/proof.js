/** An inclusion proof, drawn: from the entry's hash, step by step, up to the signed root. */
import { html } from '../vendor/htm-preact-standalone.module.js';
import { useAnswer, useTill } from '../till.js';
import { Icon } from './icons.js';

/** @param {string} hash its beginning, readable */
const short = (hash) => `${hash.slice(0, 8)} ${hash.slice(8, 16)}`;

/** The hash in a verifier key, name+hash+key (C2SP signed-note). @param {string} key */
const keyHash = (key) => key.split('+')[1] ?? key;

/** @param {{hash: string, kind: string, label: string}} props */
function Hash({ hash, kind, label }) {
  return html`<span class="node ${kind}" title=${hash}><small>${label}</small><code>${short(hash)}</code></span>`;
}

/** @param {{index: number}} props */
export function Prove({ index }) {
  const { t, f } = useTill();
  const { answer, problem } = useAnswer(`journal/${index}/proof`);
  /** @type {import('../contract.js').Proof|null} */
  const proof = answer;
  if (problem) return html`<p class="said" role="alert"><${Icon} name="warn" /> ${problem}</p>`;
  if (!proof) return html`<p class="empty-words">${t('loading')}</p>`;
  const steps = proof.steps ?? [];
  return html`
    <section class="proof ${proof.holds ? 'holds' : 'fails'}" data-test="proof">
      <p class="verdict" role="status"><${Icon} name=${proof.holds ? 'seal' : 'warn'} /><b>${proof.holds ? t('proof.holds') : t('proof.fails')}</b>
        <span>${t('proof.words', { index: f.count(index), size: f.count(proof.size), count: steps.length })}</span></p>
      <ol class="path" reversed>
        <li class="root"><${Hash} hash=${proof.root} kind="top" label=${t('proof.root', { size: f.count(proof.size) })} />
          <span class="signers">${(proof.signatures ?? []).map((s) => html`<span key=${s.name + s.key} class="signer"><${Icon} name="seal" />${s.name} <code>${keyHash(s.key)}</code></span>`)}</span></li>
        ${steps.map((s, i) => ({ ...s, below: i === 0 ? '' : steps[i - 1].node })).toReversed().map((s, i) => html`
          <li key=${i} class="step ${s.side} ${s.below ? '' : 'leaf'}">
            ${s.below ? html`<${Hash} hash=${s.below} kind="made" label=${t('proof.made')} />` : html`<${Hash} hash=${proof.leaf} kind="own" label=${t('proof.leaf', { index: f.count(index) })} />`}
            <${Hash} hash=${s.hash} kind="beside" label=${t(`proof.${s.side}`)} /></li>`)}
        ${steps.length === 0 && html`<li class="leaf"><${Hash} hash=${proof.leaf} kind="own" label=${t('proof.leaf', { index: f.count(index) })} /></li>`}
      </ol>
      <div class="card-acts">
        <button type="button" class="button primary" data-test="proof-download" onClick=${() => download(`${proof.origin.replaceAll(/[^\w.-]+/g, '-')}-${index}.tlog-proof`, proof.proof)}><${Icon} name="down" />${t('proof.download')}</button>
        <small>${t('proof.download.hint')}</small>
      </div>
      <details><summary>${t('proof.checkpoint')}</summary><pre class="raw">${proof.checkpoint}</pre></details>
    </section>`;
}

/** @param {string} name @param {string} text */
function download(name, text) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text], { type: 'text/plain' }));
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}
