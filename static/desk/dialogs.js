/** On every page: dialogs, menus, the palette, the theme. */
import { $, $$, on, post } from './dom.js';
import { ACTS } from './acts.js';

const root = document.documentElement, body = document.body;
let opener;

export function open(id) {
  opener = document.activeElement;
  $(`#${id}`)?.showModal();
}

function toggleTheme() {
  const dark = root.dataset.theme === 'dark' || (root.dataset.theme === 'auto' && matchMedia('(prefers-color-scheme: dark)').matches);
  root.dataset.theme = dark ? 'light' : 'dark';
  post(body.dataset.preferences, new URLSearchParams({ theme: root.dataset.theme }));
}

root.classList.add('scripted');
on('close', () => opener?.focus(), document, true);
on('click', ({ target }) => {
  const asked = target.closest('[data-open]'), command = target.closest('[data-do]');
  if (asked) open(asked.dataset.open);
  if (target.closest('[data-theme-toggle]')) toggleTheme();
  if (target.nodeName === 'DIALOG' || command) target.closest('dialog').close();
  if (command) ACTS[command.dataset.do]();
  $$('details:is(.menu, .more)[open]').forEach((menu) => { if (!menu.contains(target)) menu.open = false; });
});
on('change', ({ target }) => {
  if (target.matches('.filters select')) target.form.requestSubmit();
  if (target.matches('#keys [name=keys]')) body.dataset.keys = target.value;
});
on('input', ({ target }) => {
  if (target.id !== 'pal-q') return;
  const typed = target.value.trim().toLowerCase();
  $$('#pal-list li').forEach((item) => { item.hidden = !item.textContent.toLowerCase().includes(typed); });
});
