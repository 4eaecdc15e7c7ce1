/** The public check of a receipt: anybody may ask whether a code's signature holds. */
import { html, render, useEffect, useRef, useState } from './vendor/htm-preact-standalone.module.js';
import { Icon } from './parts/icons.js';
import { applyTheme } from './theme.js';
import { choose, chosen, languages, load, native } from './words.js';

/** @typedef {import('./contract.js').Checked} Checked */
/** @typedef {import('./words.js').Words} Words */

/** @param {string} code @param {string} language @returns {Promise<Checked|{error: {text: string, hint?: string}}>} */
async function ask(code, language) {
  const answer = await fetch('/api/check', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ code, language }) });
  return answer.json();
}

function Check() {
  const [language, setLanguage] = useState(chosen() || native());
  const [t, setT] = useState(/** @type {{say: Words}|null} */ (null));
  const [code, setCode] = useState('');
  const [checked, setChecked] = useState(/** @type {Checked|null} */ (null));
  const [problem, setProblem] = useState('');
  useEffect(() => void load(language).then((say) => setT({ say })), [language]);
  if (!t) return null;
  const { say } = t;

  /** @param {string} text */
  const send = async (text) => {
    const clean = text.trim();
    if (!clean) return;
    setCode(clean);
    setChecked(null);
    setProblem('');
    try {
      const answer = await ask(clean, language);
      if ('error' in answer) setProblem([answer.error.text, answer.error.hint].filter(Boolean).join(' '));
      else setChecked(answer);
    } catch {
      setProblem(say('unreachable.title'));
    }
  };
  return html`
    <main class="door check" data-test="check">
      <section class="door-card wide">
        <header><${Icon} name="seal" /><h1>${say('check.title')}</h1></header>
        <p>${say('check.words')}</p>
        <form class="stack" onSubmit=${(/** @type {Event} */ e) => (e.preventDefault(), send(code))}>
          <label class="stack"><span class="label">${say('check.code')}</span>
            <textarea class="field" rows="3" spellcheck=${false} autofocus data-test="check-code" value=${code} onInput=${(/** @type {any} */ e) => setCode(e.currentTarget.value)}
              onKeyDown=${(/** @type {KeyboardEvent} */ e) => e.key === 'Enter' && (e.preventDefault(), send(code))}></textarea></label>
          <div class="card-acts"><button type="submit" class="button big primary" data-test="check-send">${say('check.send')}</button>
            <${Camera} say=${say} onCode=${send} /></div>
        </form>
        ${problem && html`<p class="verdict bad" role="alert"><${Icon} name="warn" /><b>${problem}</b></p>`}
        ${checked && html`
          <div class="verdict ${checked.holds ? 'good' : 'bad'}" role="status" data-test="verdict"><${Icon} name=${checked.holds ? 'seal' : 'warn'} />
            <div><b>${checked.holds ? say('check.holds') : say('check.fails')}</b><p>${checked.words} ${checked.hint}</p></div></div>
          <dl class="facts">${(checked.facts ?? []).map((x, i) => html`<div key=${i}><dt>${x.label}</dt><dd>${x.value}</dd></div>`)}</dl>`}
      </section>
      <nav class="chips">${Object.entries(languages).map(([id, name]) => html`<button type="button" key=${id} class="chip" lang=${id} aria-pressed=${id === language} onClick=${() => (choose(id), setLanguage(id))}>${name}</button>`)}</nav>
    </main>`;
}

/** The camera, where the browser reads QR codes by itself. @param {{say: Words, onCode: (code: string) => void}} props */
function Camera({ say, onCode }) {
  const video = useRef(/** @type {HTMLVideoElement|null} */ (null));
  const [on, setOn] = useState(false);
  useEffect(() => {
    if (!on) return undefined;
    const stop = watch(video.current, (code) => (setOn(false), onCode(code)), () => setOn(false));
    return stop;
  }, [on]);
  if (!('BarcodeDetector' in window) || !navigator.mediaDevices) return null;
  return html`<button type="button" class="button big" onClick=${() => setOn(!on)}><${Icon} name="camera" />${say('check.camera')}</button>${on && html`<video ref=${video} class="camera" muted playsinline></video>`}`;
}

/**
 * @param {HTMLVideoElement|null} video
 * @param {(code: string) => void} onCode
 * @param {() => void} onFail
 * @returns {() => void} stop
 */
function watch(video, onCode, onFail) {
  let wanted = true;
  /** @type {MediaStream|null} */
  let stream = null;
  const stop = () => {
    wanted = false;
    stream?.getTracks().forEach((track) => track.stop());
  };
  const run = async () => {
    if (!video) return;
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment' } });
    video.srcObject = stream;
    await video.play();
    const detector = new /** @type {any} */ (window).BarcodeDetector({ formats: ['qr_code'] });
    while (wanted) {
      const [seen] = await detector.detect(video);
      if (seen && wanted) return void (stop(), onCode(seen.rawValue));
      await new Promise((done) => setTimeout(done, 150));
    }
  };
  run().catch(() => (stop(), onFail()));
  return stop;
}

applyTheme();
const root = document.getElementById('check');
if (root) render(html`<${Check} />`, root);
