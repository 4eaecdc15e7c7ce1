/** Two questions about a command: who else says yes, and what to do when its answer was lost. */
import { html, useState } from '../vendor/htm-preact-standalone.module.js';
import { Refusal } from '../node.js';
import { useTill } from '../till.js';
import { Dialog } from './dialog.js';
import { Icon } from './icons.js';
import { Keypad } from './keypad.js';

/** @typedef {import('../contract.js').Fault} Fault */
/** @typedef {import('../contract.js').Approval} Approval */

/** @param {{what: string, fault: Fault, onAnswer: (approval: Approval|null) => void}} props */
export function Approve({ what, fault, onAnswer }) {
  const { t, state } = useTill();
  const own = fault.code === 'needs-proof';
  const [person, setPerson] = useState(own ? state.session?.person.id ?? '' : '');
  const [pin, setPin] = useState('');
  const [step, setStep] = useState(/** @type {"person"|"pin"} */ (own ? 'pin' : 'person'));
  const enter = () => {
    if (step === 'person') person && setStep('pin');
    else if (pin) onAnswer({ person, pin });
  };
  return html`
    <${Dialog} title=${own ? t('approval.own') : t('approval')} onClose=${() => onAnswer(null)} test="approval">
      <div class="stack">
        <p class="said"><b>${fault.text}</b> ${fault.hint ?? ''}</p>
        ${!own && html`<p>${t('approval.for', { what: t(`do.${what}`) })}${fault.roles?.length ? ` ${fault.roles.map((r) => t(`role.${r}`)).join(', ')}` : ''}</p>`}
        <${Keypad} key=${step} digits=${step === 'person' ? person : pin} onDigits=${step === 'person' ? setPerson : setPin} onEnter=${enter}
          label=${step === 'person' ? t('approval.person') : t('signin.pin')} secret=${step === 'pin'} most=${12} double=${false} test="approval-keypad">
          <button type="button" class="button big primary" data-test="approval-next" onClick=${enter}>${step === 'person' ? t('next') : t('approve')}<kbd>Enter</kbd></button>
        <//>
      </div>
    <//>`;
}

/** The node is back, but one command's answer never came. */
export function LostAnswer() {
  const { t, node, say, setFinished, openSheet } = useTill();
  const [busy, setBusy] = useState(false);
  const what = t(`do.${node.lost?.do ?? ''}`);
  const again = async () => {
    setBusy(true);
    try {
      const result = await node.repeat();
      if (result.receipt) (openSheet(''), setFinished(result.receipt));
    } catch (problem) {
      if (problem instanceof Refusal) say({ level: 'error', text: problem.fault.text, hint: problem.fault.hint });
    }
    setBusy(false);
  };
  return html`
    <${Dialog} title=${t('lost.title')} test="lost">
      <div class="stack">
        <p class="said"><${Icon} name="warn" /> ${t('lost.words', { what })}</p>
        <p>${t('lost.choice')}</p>
        <button type="button" class="button big primary" data-test="lost-again" autofocus disabled=${busy} onClick=${again}>${t('lost.again', { what })}</button>
        <button type="button" class="button big" data-test="lost-leave" onClick=${() => node.forget()}>${t('lost.leave')}</button>
      </div>
    <//>`;
}
