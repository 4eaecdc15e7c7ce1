/** Who is at the till: signing in, and unlocking. */
import { html, useState } from '../vendor/htm-preact-standalone.module.js';
import { Refusal } from '../node.js';
import { Keypad } from '../parts/keypad.js';
import { Icon } from '../parts/icons.js';
import { useTyping } from '../keys.js';
import { useTill } from '../till.js';

export function SignIn() {
  const { node, t, state } = useTill();
  const [person, setPerson] = useState('');
  const [pin, setPin] = useState('');
  const [step, setStep] = useState(/** @type {"person"|"pin"} */ ('person'));
  const [problem, setProblem] = useState('');
  const [busy, setBusy] = useState(false);

  useTyping();
  const enter = async () => {
    if (step === 'person') return person && setStep('pin');
    if (!pin || busy) return undefined;
    setBusy(true);
    const said = await node.enter('/api/sign-in', { person, pin }).then(() => '', (fault) => words(fault, t('unreachable.title')));
    setBusy(false);
    setProblem(said);
    setPin('');
    if (said) setStep('person');
    return undefined;
  };
  return html`
    <main class="door" data-test="sign-in">
      <section class="door-card">
        <header><${Icon} name="seal" /><h1>${state.shop?.name || 'plomb'}</h1></header>
        <p class="door-problem" role="alert">${problem}</p>
        <div class="door-steps" role="group" aria-label=${t('signin')}>
          <button type="button" aria-current=${step === 'person' ? 'step' : 'false'} onClick=${() => setStep('person')}>${t('person')} <b>${person || '–'}</b></button>
          <button type="button" aria-current=${step === 'pin' ? 'step' : 'false'} disabled=${!person} onClick=${() => setStep('pin')}>${t('pin')} <b>${'•'.repeat(pin.length) || '–'}</b></button>
        </div>
        <${Keypad} key=${step} digits=${step === 'person' ? person : pin} onDigits=${step === 'person' ? setPerson : setPin} onEnter=${enter}
          label=${step === 'person' ? t('signin.person') : t('signin.pin')} secret=${step === 'pin'} most=${12} double=${false}>
          <button type="button" class="button big primary" data-test="sign-in-next" disabled=${busy || (step === 'person' ? !person : !pin)} onClick=${enter}>
            ${step === 'person' ? t('next') : t('signin')}<kbd>Enter</kbd></button>
        <//>
      </section>
      <a class="door-link" href="/check"><${Icon} name="receipt" /> ${t('check.link')}</a>
    </main>`;
}

/** The till is locked: nothing of the sale is on the page, and nothing but unlocking works. */
export function Locked() {
  const { t, state, run } = useTill();
  const [pin, setPin] = useState('');
  useTyping();
  const enter = async () => {
    if (!pin) return;
    await run('session.unlock', { pin });
    setPin('');
  };
  return html`
    <main class="door" data-test="locked">
      <section class="door-card">
        <header><${Icon} name="lock" /><h1>${t('locked')}</h1></header>
        <p>${t('locked.by', { name: state.session?.person.name ?? '' })}</p>
        <${Keypad} digits=${pin} onDigits=${setPin} onEnter=${enter} label=${t('signin.pin')} secret=${true} most=${12} double=${false}>
          <button type="button" class="button big primary" disabled=${!pin} onClick=${enter}>${t('unlock')}<kbd>Enter</kbd></button>
        <//>
        <button type="button" class="button" onClick=${() => run('session.signout')}><${Icon} name="out" />${t('signout')}</button>
      </section>
    </main>`;
}

/** @param {unknown} fault @param {string} otherwise */
export const words = (fault, otherwise) => (fault instanceof Refusal ? [fault.fault.text, fault.fault.hint].filter(Boolean).join(' ') : otherwise);
