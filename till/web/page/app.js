/** The till's page: which view is shown, and what stands over it. */
import { html, render, useCallback, useEffect, useMemo, useRef, useState } from './vendor/htm-preact-standalone.module.js';
import { formats } from './format.js';
import { listen, useKeys } from './keys.js';
import { Lost, Node, Refusal } from './node.js';
import { Approve, LostAnswer } from './parts/approval.js';
import { Banners, Training, Unreachable, useTop } from './parts/banners.js';
import { Late, PriceCheck } from './parts/extras.js';
import { Icon } from './parts/icons.js';
import { Keys, Menu, OwnPIN } from './parts/menu.js';
import { Restarting, Stale } from './parts/restarting.js';
import { TopBar } from './parts/topbar.js';
import { UpdateSheet } from './parts/update.js';
import { restarting } from './software.js';
import { applyTheme } from './theme.js';
import { Context, useTill } from './till.js';
import { Articles } from './views/articles.js';
import { Drawer } from './views/drawer.js';
import { Journal } from './views/journal.js';
import { People } from './views/people.js';
import { Receipts } from './views/receipts.js';
import { Reports } from './views/reports.js';
import { Return } from './views/return.js';
import { Sell } from './views/sell.js';
import { Settings } from './views/settings.js';
import { Setup } from './views/setup.js';
import { Locked, SignIn } from './views/signin.js';
import { SoftwareView } from './views/software.js';
import { choose, chosen, load, native } from './words.js';

/** @typedef {import('./contract.js').Approval} Approval */
/** @typedef {import('./contract.js').Article} Article */
/** @typedef {import('./till.js').Saying} Saying */
/** @typedef {{what: string, fault: import('./contract.js').Fault, answer: (approval: Approval|null) => void}} Step */

/** @type {Record<string, any>} */
const views = { return: Return, receipts: Receipts, drawer: Drawer, reports: Reports, journal: Journal, people: People, articles: Articles, software: SoftwareView, settings: Settings };

const node = new Node();

/** The view in the address: #/journal/17 is ["journal", "17"]. */
const address = () => location.hash.replace(/^#\/?/, '').split('/').filter(Boolean);

/** @param {string} view */
const go = (view) => {
  if (address().join('/') !== view) location.hash = `#/${view}`;
};

/** Renders again whenever the node said something or the address changed. */
function useChanges() {
  const [, turn] = useState(0);
  useEffect(() => {
    const changed = () => turn((n) => n + 1);
    const stop = node.subscribe(changed);
    addEventListener('hashchange', changed);
    return () => (stop(), removeEventListener('hashchange', changed));
  }, []);
}

/** @param {string} wish */
function useWords(wish) {
  const [spoken, setSpoken] = useState(/** @type {{language: string, t: import('./words.js').Words}|null} */ (null));
  useEffect(() => {
    let wanted = true;
    load(wish).then((t) => wanted && setSpoken({ language: wish, t }));
    return () => void (wanted = false);
  }, [wish]);
  return spoken;
}

function App() {
  useChanges();
  const [wish, setWish] = useState(chosen());
  const spoken = useWords(wish || node.state?.shop?.language || native());
  if (!spoken) return null;
  if (!node.state) return html`<${Opening} t=${spoken.t} />`;
  return html`<${Page} t=${spoken.t} language=${spoken.language} state=${node.state} setWish=${setWish} />`;
}

/** @param {{t: import('./words.js').Words}} props */
function Opening({ t }) {
  return html`<main class="door"><section class="door-card quiet" role="status"><${Icon} name="seal" /><p>${node.reached === 'no' ? t('unreachable.title') : t('loading')}</p></section></main>`;
}

/** @param {{t: import('./words.js').Words, language: string, state: import('./contract.js').State, setWish: (language: string) => void}} props */
function Page({ t, language, state, setWish }) {
  const [sheet, openSheet] = useState('');
  const [finished, setFinished] = useState(/** @type {import('./till.js').Finished|null} */ (null));
  const [saying, say] = useState(/** @type {Saying|null} */ (null));
  const [step, setStep] = useState(/** @type {Step|null} */ (null));
  const f = useMemo(() => formats(language, state.shop ?? {}), [language, state.shop?.currency, state.shop?.country, state.shop?.zone]);
  const path = address();
  const view = path[0] === 'sell' || views[path[0]] ? path : ['sell'];
  const may = (/** @type {string} */ what) => (state.session?.may[what] ?? 'no') !== 'no';
  node.onNotice = (notice) => say(notice);

  const run = useCallback(async (/** @type {string} */ what, /** @type {object} */ args = {}) => {
    /** @type {Approval|undefined} */
    let approval;
    for (;;) {
      try {
        const result = await node.command(what, args, approval);
        say(null);
        if (/^session\.(signout|unlock)$/.test(what)) node.again();
        return result;
      } catch (problem) {
        if (problem instanceof Lost) return null;
        if (!(problem instanceof Refusal)) throw problem;
        const { fault } = problem;
        if (fault.kind === 'unauthenticated') node.again();
        if (fault.kind !== 'approval') return say({ level: 'error', text: fault.text, hint: fault.hint }), null;
        const given = await new Promise((/** @type {(approval: Approval|null) => void} */ answer) => setStep({ what, fault, answer }));
        setStep(null);
        if (!given) return null;
        approval = given;
      }
    }
  }, []);

  const setLanguage = useCallback((/** @type {string} */ name) => {
    choose(name);
    setWish(name);
    if (node.state?.session && !node.state.session.locked && node.state.session.may['language.set'] !== 'no') node.command('language.set', { language: name }).catch(() => {});
  }, []);

  const till = { node, state, t, language, setLanguage, f, run, ask: node.ask.bind(node), say, go, view, may, finished, setFinished, sheet, openSheet };
  const away = node.reached !== 'yes';
  const still = away || node.stale(); // nothing can be entered
  const open = state.setup === 'done' && state.session !== null && !state.session?.locked;
  const out = state.setup === 'needed' ? html`<${Setup} />` : !state.session ? html`<${SignIn} />` : html`<${Locked} />`;
  useEffect(() => {
    if (!open) (openSheet(''), setFinished(null), setStep(null));
  }, [open]);
  useEffect(() => say(null), [path[0] ?? '']);
  useEffect(() => {
    if (!saying || saying.level === 'error') return undefined;
    const timer = setTimeout(() => say(null), 6000);
    return () => clearTimeout(timer);
  }, [saying]);
  return html`
    <${Context.Provider} value=${till}>
      <div class="frame ${state.training ? 'in-training' : ''} ${away ? 'away' : ''}">
        ${away && (restarting(state.software) || state.software?.trial ? html`<${Restarting} />` : html`<${Unreachable} />`)}
        ${!away && node.stale() && html`<${Stale} />`}
        ${state.training && html`<${Training} />`}
        <div class="page" inert=${still}>${open ? html`<${Inside} till=${till} />` : out}</div>
        ${saying && html`<${Said} saying=${saying} onClose=${() => say(null)} />`}
        ${open && !still && sheet === 'menu' && html`<${Menu} />`}
        ${open && !still && sheet === 'update' && html`<${UpdateSheet} />`}
        ${open && !still && sheet === 'pin' && html`<${OwnPIN} />`}
        ${open && !still && sheet === 'price' && html`<${PriceCheck} />`}
        ${open && !still && sheet === 'late' && html`<${Late} />`}
        ${open && !still && sheet === 'keys' && html`<${Keys} />`}
        ${step && !still && html`<${Approve} what=${step.what} fault=${step.fault} onAnswer=${step.answer} />`}
        ${node.lost && !still && html`<${LostAnswer} />`}
      </div>
    <//>`;
}

/** @param {{till: import('./till.js').Till}} props what is seen when somebody is signed in */
function Inside({ till }) {
  const { view, run, say, t, openSheet, state } = till;
  const [query, setQuery] = useState('');
  const found = useRef(/** @type {Article[]} */ ([]));

  /** @param {string} text */
  const enter = async (text) => {
    const typed = text.trim();
    setQuery('');
    if (!typed) return;
    till.setFinished(null);
    if (/^PLOMB\d:/.test(typed)) return void (await takeBack(typed));
    const many = /^(\d{1,4})\s*[*×x]\s*(\d+)$/.exec(typed);
    if (many) return void (go('sell'), await run('basket.scan', { code: many[2], quantity: Number(`${many[1]}000000`) }));
    if (/^\d+$/.test(typed)) return void (go('sell'), await run('basket.scan', { code: typed }));
    const first = found.current[0];
    if (!first) return void say({ level: 'warn', text: t('search.nothing') });
    go('sell');
    await run('basket.add', { sku: first.sku });
  };
  /** @param {string} code */
  const takeBack = async (code) => {
    if (await run('return.begin', { receipt: code })) go('return');
  };
  const latest = useRef(enter);
  latest.current = enter;
  useEffect(() => listen((code) => latest.current(code)), []);
  useKeys({
    F1: () => openSheet('keys'),
    F2: () => void (go('sell'), document.querySelector('[data-test="scan"]')?.scrollIntoView(), /** @type {HTMLElement|null} */ (document.querySelector('[data-test="scan"]'))?.focus()),
    F7: () => go('return'),
    F10: () => openSheet('menu'),
    Escape: () => go('sell'),
  }, 'base');
  // A receipt scanned by a scanner of the till's own begins a return without this page.
  const begun = state.basket?.mode === 'return' && state.basket.lines.length === 0 ? state.basket.id : '';
  useEffect(() => {
    if (begun) go('return');
  }, [begun]);
  const View = views[view[0]];
  return html`
    <${TopBar} query=${query} setQuery=${setQuery} onEnter=${enter} />
    <${Banners} />
    ${View
      ? html`<main class="view" key=${view[0]}><h1 class="view-title">${t(`view.${view[0]}`)}</h1><${View} /></main>`
      : html`<main class="view selling"><${Sell} key=${state.session?.person.id} query=${query} setQuery=${setQuery} found=${found} /></main>`}`;
}

/** @param {{saying: Saying, onClose: () => void}} props */
function Said({ saying, onClose }) {
  const { t } = useTill();
  const box = useTop();
  return html`
    <div ref=${box} popover="manual" class="toast ${saying.level}" role=${saying.level === 'error' ? 'alert' : 'status'} data-test="toast">
      <${Icon} name=${saying.level === 'info' ? 'check' : 'warn'} />
      <p><b>${saying.text}</b> ${saying.hint ?? ''}</p>
      <button type="button" class="icon-button" aria-label=${t('close')} onClick=${onClose}><${Icon} name="close" /></button>
    </div>`;
}

applyTheme();
node.listen();
const root = document.getElementById('till');
if (root) render(html`<${App} />`, root);
