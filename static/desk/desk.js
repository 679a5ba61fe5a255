/** Every page: theme, dialogs, menus, single keys. Each act is a form or a link without it. */
import { $, $$, on, post } from './dom.js';
import { ACTS, asking } from './review.js';

const root = document.documentElement, body = document.body;
const KEYS = { a: 'approve', e: 'edit', r: 'reject', g: 'redraft', s: 'snooze', z: 'undo', j: 'next', k: 'prev', n: 'unsourced', t: 'timeline' };
let opener;

function open(id) {
  opener = document.activeElement;
  $(`#${id}`)?.showModal();
}

function toggleTheme() {
  const dark = root.dataset.theme === 'dark' || (root.dataset.theme === 'auto' && matchMedia('(prefers-color-scheme: dark)').matches);
  root.dataset.theme = dark ? 'light' : 'dark';
  post(body.dataset.preferences, new URLSearchParams({ theme: root.dataset.theme }));
}

root.classList.add('scripted');
document.addEventListener('close', () => opener?.focus(), true);
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
  if (target.id === 'pal-q') $$('#pal-list li').forEach((item) => { item.hidden = !item.textContent.toLowerCase().includes(target.value.trim().toLowerCase()); });
});

/** Single keys: on, behind Alt, off (WCAG 2.1.4). `event.key` is the printed letter in every layout. */
on('keydown', (event) => {
  const { target } = event, chord = event.metaKey || event.ctrlKey, key = event.key.toLowerCase(), mode = body.dataset.keys;
  const does = (act) => { event.preventDefault(); act(); };
  const text = target.matches('textarea, select, [contenteditable], input:not([type=radio], [type=checkbox])');
  if (event.isComposing || event.repeat) return;
  if (chord && key === 'k') return does(() => open('palette'));
  if ($('dialog[open]')) return;
  if (key === 'escape' && asking()) return ACTS.cancel();
  if (key === 'enter' && asking()?.contains(target) && (chord || target.matches('input'))) return does(() => $('[type=submit]', asking()).click());
  if (text) {
    if (key === 'escape' && target.id === 'final') $('#rv-title').focus();
    if (key === 'enter' && chord) does(() => target.id === 'final' ? ACTS.approve() : target.form?.requestSubmit());
    return;
  }
  if (chord || mode === 'off' || event.altKey !== (mode === 'alt')) return;
  if (key === '?') return does(() => open('keys'));
  if (asking()) return $$('[type=radio]', asking())[key - 1]?.click();
  if (key === '/' && $('#f-ch')) return does(() => $('#f-ch').focus());
  if (key >= '1' && key <= '9') return ACTS.source(+key);
  if (KEYS[key] && !event.shiftKey) does(ACTS[KEYS[key]]);
});
