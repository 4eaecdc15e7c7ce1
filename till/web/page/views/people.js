/** People of the shop and what they are. */
import { html, useState } from '../vendor/htm-preact-standalone.module.js';
import { Dialog } from '../parts/dialog.js';
import { Icon } from '../parts/icons.js';
import { useAnswer, useTill } from '../till.js';
import { Roles } from './roles.js';
import { Choice, Field } from './setup.js';

/** @typedef {import('../contract.js').Person} Person */
/** @typedef {{people: Person[], roles: {id: string, name: string}[], finer: import('./roles.js').Finer[], table: import('./roles.js').Row[]}} People */

export function People() {
  const { t, may, state } = useTill();
  const { answer, problem, again } = useAnswer('people', {}, state.journal.size);
  const [edited, setEdited] = useState(/** @type {Partial<Person>|null} */ (null));
  /** @type {People} */
  const staff = answer ?? { people: [], roles: [], finer: [], table: [] };
  /** @param {string} role */
  const named = (role) => staff.roles.find((r) => r.id === role)?.name ?? t(`role.${role}`);
  return html`
    <section class="card">
      ${problem && html`<p class="empty-words">${problem}</p>`}
      <ul class="rows" data-test="people">
        ${staff.people.map((p) => html`<li key=${p.id}><button type="button" class="row" disabled=${!may('people.change')} onClick=${() => setEdited(p)}>
          <span class="entry-index">${p.id}</span><span class="row-main"><b>${p.name}</b><small>${named(p.role)}${p.active ? '' : ` · ${t('people.inactive')}`}</small></span></button></li>`)}
      </ul>
      ${answer && may('people.add') && html`<div class="card-acts"><button type="button" class="button primary" data-test="people-add" onClick=${() => setEdited({ role: 'operator', active: true })}><${Icon} name="plus" />${t('people.add')}</button></div>`}
    </section>
    ${answer && html`<${Roles} staff=${staff} again=${again} />`}
    ${edited && html`<${Edit} person=${edited} staff=${staff} onClose=${() => (setEdited(null), again())} />`}`;
}

/** @param {{person: Partial<Person>, staff: People, onClose: () => void}} props */
function Edit({ person, staff, onClose }) {
  const { t, run } = useTill();
  const fresh = person.id === undefined;
  const [form, setForm] = useState(/** @type {Record<string, string>} */ ({ id: person.id ?? '', name: person.name ?? '', role: person.role ?? 'operator', pin: '', active: String(person.active ?? true) }));
  /** @param {string} name @param {string} value */
  const set = (name, value) => setForm({ ...form, [name]: value });
  const roles = /** @type {[string, string][]} */ ((staff.roles.length ? staff.roles : ['operator', 'supervisor', 'financialManager', 'administrator'].map((id) => ({ id, name: t(`role.${id}`) }))).map((r) => [r.id, r.name]));
  /** @param {Event} event */
  const send = async (event) => {
    event.preventDefault();
    const { id, name, role, pin } = form;
    const said = fresh ? await run('people.add', { id, name, role, pin }) : await change();
    if (said) onClose();
  };
  const change = async () => {
    const { id, name, role, pin } = form;
    const active = form.active === 'true';
    const same = name === person.name && role === person.role && active === person.active;
    const said = same ? {} : await run('people.change', { id, name, role, active });
    return said && pin ? run('people.pin', { id, pin }) : said;
  };
  return html`
    <${Dialog} title=${fresh ? t('people.add') : person.name} onClose=${onClose} test="person">
      <form class="stack" onSubmit=${send}>
        ${fresh && html`<${Field} name="id" digits="[0-9]{1,12}" label=${t('setup.id')} value=${form.id} onInput=${set} />`}
        <${Field} name="name" label=${t('people.name')} value=${form.name} onInput=${set} />
        <${Choice} name="role" label=${t('people.role')} value=${form.role} choices=${roles} onInput=${set} />
        ${!fresh && html`<${Choice} name="active" label=${t('people.active')} value=${form.active} choices=${[['true', t('yes')], ['false', t('no')]]} onInput=${set} />`}
        <${Field} name="pin" kind="password" digits="[0-9]{4,12}" label=${t('pin')} hint=${fresh ? t('setup.pin.hint') : t('people.pin.hint')} need=${fresh} value=${form.pin} onInput=${set} />
        <button type="submit" class="button big primary">${t('save')}</button>
      </form>
    <//>`;
}
