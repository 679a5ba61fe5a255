/** Theme, dialogs, menus and the palette: what every page has. */
import { $, $$, token } from './dom.js';

const root = document.documentElement;
let opener = null;

export function open(id) {
  const dialog = document.getElementById(id);
  if (!dialog || dialog.open) return;
  opener = document.activeElement;
  dialog.showModal();
}

function prefer(name, value) {
  const body = new URLSearchParams({ [name]: value });
  fetch(document.body.dataset.preferences, { method: 'POST', body, headers: { 'X-CSRFToken': token(), 'HX-Request': 'true' } }).catch(() => {});
}

function toggleTheme() {
  const chosen = root.dataset.theme;
  const dark = chosen === 'dark' || (chosen === 'auto' && matchMedia('(prefers-color-scheme: dark)').matches);
  root.dataset.theme = dark ? 'light' : 'dark';
  if (document.body.dataset.preferences) prefer('theme', root.dataset.theme);
}

document.addEventListener('close', () => opener?.focus?.(), true);
document.addEventListener('click', (event) => {
  const asked = event.target.closest('[data-open]');
  if (asked) open(asked.dataset.open);
  if (event.target.closest('[data-theme-toggle]')) toggleTheme();
  if (event.target.nodeName === 'DIALOG') event.target.close();
  for (const menu of $$('details.menu[open], details.more[open]')) if (!menu.contains(event.target)) menu.open = false;
});
document.addEventListener('change', (event) => {
  if (event.target.matches('.filters select')) event.target.form.requestSubmit();
  if (event.target.matches('#keys [name=keys]')) document.body.dataset.keys = event.target.value;
});

const palette = $('#palette');
palette?.addEventListener('input', (event) => {
  const wanted = event.target.value.trim().toLowerCase();
  for (const item of $$('li', palette)) item.hidden = !item.textContent.toLowerCase().includes(wanted);
});
palette?.addEventListener('keydown', (event) => {
  if (event.key !== 'ArrowDown' && event.key !== 'ArrowUp') return;
  const stops = [$('input', palette), ...$$('li:not([hidden]) > *', palette)];
  const at = stops.indexOf(document.activeElement) + (event.key === 'ArrowDown' ? 1 : -1);
  stops[(at + stops.length) % stops.length].focus();
  event.preventDefault();
});

root.classList.add('scripted');
