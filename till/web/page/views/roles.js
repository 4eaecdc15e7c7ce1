/** Who may do what: the node's one table, and the shop's own roles, which are built-in ones without some rights. */
import { html, useState } from '../vendor/htm-preact-standalone.module.js';
import { Dialog } from '../parts/dialog.js';
import { Icon } from '../parts/icons.js';
import { useTill } from '../till.js';
import { Choice, Field } from './setup.js';

/** @typedef {{id: string, name: string, reauth: boolean, roles: Record<string, "yes"|"approval"|"no">}} Row */
/** @typedef {{name: string, base: string, without: string[]}} Finer */
/** @typedef {{roles: {id: string, name: string}[], finer: Finer[], table: Row[]}} Staff */

/** A role's name as the page writes it: "financial-manager" is financialManager. @param {string} name */
const word = (name) => name.replaceAll(/-([a-z])/g, (_, letter) => letter.toUpperCase());

/** @param {{staff: Staff, again: () => void}} props */
export function Roles({ staff, again }) {
  const { t, may } = useTill();
  const [shown, setShown] = useState('operator');
  const [edited, setEdited] = useState(/** @type {Finer|null} */ (null));
  const own = staff.finer.find((x) => word(x.name) === shown);
  const rows = { yes: staff.table.filter((r) => r.roles[shown] === 'yes'), approval: staff.table.filter((r) => r.roles[shown] === 'approval'), no: staff.table.filter((r) => r.roles[shown] === 'no') };
  return html`
    <section class="card" data-test="roles">
      <header class="card-head"><h2>${t('roles')}</h2><span>${t('roles.words')}</span></header>
      <div class="chips" role="group" aria-label=${t('roles')}>
        ${staff.roles.map((r) => html`<button type="button" key=${r.id} class="chip" data-test=${`role-${r.id}`} aria-pressed=${r.id === shown} onClick=${() => setShown(r.id)}>${r.name}</button>`)}
      </div>
      <div class="rights" data-test="rights">
        ${/** @type {("yes"|"approval"|"no")[]} */ (['yes', 'approval', 'no']).map((answer) => html`
          <div key=${answer} class="rights-part ${answer}"><h3>${t(`roles.${answer}`)}</h3>
            <ul>${rows[answer].map((r) => html`<li key=${r.id}>${r.name}${r.reauth && answer !== 'no' ? html` <${Icon} name="lock" />` : ''}</li>`)}</ul></div>`)}
      </div>
      <small><${Icon} name="lock" /> ${t('roles.reauth')}</small>
      ${may('settings.change') && html`<div class="card-acts">
        <button type="button" class="button" data-test="role-add" onClick=${() => setEdited({ name: '', base: staff.roles.find((r) => r.id === shown && !own)?.id ?? 'operator', without: [] })}><${Icon} name="plus" />${t('roles.add')}</button>
        ${own && html`<button type="button" class="button" data-test="role-edit" onClick=${() => setEdited(own)}>${t('roles.edit')}</button>`}
      </div>`}
    </section>
    ${edited && html`<${Edit} finer=${edited} staff=${staff} onClose=${() => (setEdited(null), again())} onShow=${setShown} />`}`;
}

/** @param {{finer: Finer, staff: Staff, onClose: () => void, onShow: (role: string) => void}} props */
function Edit({ finer, staff, onClose, onShow }) {
  const { t, run } = useTill();
  const fresh = finer.name === '';
  const [name, setName] = useState(finer.name);
  const [base, setBase] = useState(word(finer.base));
  const [without, setWithout] = useState(finer.without);
  const others = staff.finer.filter((x) => x.name !== finer.name);
  const built = staff.roles.filter((r) => !staff.finer.some((x) => word(x.name) === r.id));
  const rows = staff.table.filter((r) => r.roles[base] !== 'no');
  /** @param {Finer[]} roles @param {string} show */
  const save = async (roles, show) => {
    if (await run('settings.change', { roles })) (onShow(show), onClose());
  };
  /** @param {Event} event */
  const send = (event) => {
    event.preventDefault();
    const role = { name: name.trim(), base: dashed(base), without: without.filter((w) => rows.some((r) => r.id === w)) };
    return save([...others, role], word(role.name));
  };
  /** @param {string} id */
  const turn = (id) => setWithout(without.includes(id) ? without.filter((w) => w !== id) : [...without, id]);
  return html`
    <${Dialog} title=${fresh ? t('roles.add') : finer.name} onClose=${onClose} kind="wide one" test="role">
      <form class="stack" onSubmit=${send}>
        <div class="form-grid">
          ${fresh && html`<${Field} name="role-name" label=${t('roles.name')} hint=${t('roles.name.hint')} pattern="[a-z0-9\\-]{1,32}" value=${name} onInput=${(/** @type {string} */ _, /** @type {string} */ v) => setName(v)} />`}
          <${Choice} name="role-base" label=${t('roles.base')} value=${base} choices=${built.map((r) => [r.id, r.name])} onInput=${(/** @type {string} */ _, /** @type {string} */ v) => setBase(v)} />
        </div>
        <p>${t('roles.take')}</p>
        <div class="checks" data-test="role-rights">
          ${rows.map((r) => html`<label key=${r.id} class="check" data-test=${`right-${r.id}`}><input type="checkbox" name=${`right-${r.id}`} checked=${!without.includes(r.id)} onChange=${() => turn(r.id)} /><span>${r.name}</span></label>`)}
        </div>
        <div class="card-acts">
          <button type="submit" class="button big primary">${t('save')}</button>
          ${!fresh && html`<button type="button" class="button danger" data-test="role-drop" onClick=${() => save(others, 'operator')}>${t('roles.drop')}</button>`}
        </div>
      </form>
    <//>`;
}

/** A role's name as the shop's profile writes it. @param {string} role */
const dashed = (role) => role.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
