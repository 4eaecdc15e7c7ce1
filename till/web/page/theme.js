/** Light, dark, or as the system has it. The choice belongs to the screen. */

const key = 'plomb.theme';

/** @typedef {"auto"|"light"|"dark"} Theme */

/** @returns {Theme} */
export function theme() {
  const kept = localStorage.getItem(key);
  return kept === 'light' || kept === 'dark' ? kept : 'auto';
}

/** @param {Theme} wish */
export function setTheme(wish) {
  if (wish === 'auto') localStorage.removeItem(key);
  else localStorage.setItem(key, wish);
  applyTheme();
}

export function applyTheme() {
  const wish = theme();
  const dark = wish === 'dark' || (wish === 'auto' && matchMedia('(prefers-color-scheme: dark)').matches);
  document.documentElement.dataset.theme = dark ? 'dark' : 'light';
}

matchMedia('(prefers-color-scheme: dark)').addEventListener('change', applyTheme);
