/** Single keys (WCAG 2.1.4: on, behind Alt, or off). `event.key` is matched, so every layout reads the printed letter. */
import { $, $$, typing } from './dom.js';
import { open } from './shell.js';
import { ACTS, asking } from './review.js';

const KEYS = { a: 'approve', e: 'edit', r: 'reject', g: 'redraft', s: 'snooze', z: 'undo', j: 'next', k: 'prev', n: 'unsourced', t: 'timeline' };

function whileTyping(event) {
  if (event.key === 'Escape' && asking()) ACTS.cancel();
  else if (event.key === 'Escape' && event.target.id === 'final') { event.target.blur(); $('#rv-title')?.focus(); }
  else if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    if (asking()) $('[type=submit]', asking()).click();
    else if (event.target.id === 'final') ACTS.approve();
    else event.target.form?.requestSubmit();
  }
}

document.addEventListener('keydown', (event) => {
  if (event.isComposing || event.repeat) return;
  const key = event.key.toLowerCase();
  if ((event.metaKey || event.ctrlKey) && key === 'k') { event.preventDefault(); return open('palette'); }
  if ($('dialog[open]')) return;
  if (typing(event.target)) return whileTyping(event);
  const mode = document.body.dataset.keys || 'on';
  if (event.metaKey || event.ctrlKey || event.altKey !== (mode === 'alt')) return;
  if (key === '?' && mode !== 'off') { event.preventDefault(); return open('keys'); }
  if (key === 'escape' && asking()) return ACTS.cancel();
  if (mode === 'off') return;
  if (asking()) {
    const choice = $$('[type=radio]', asking())[+key - 1];
    if (choice) { choice.checked = true; choice.focus(); }
    return;
  }
  if (key === '/' && $('#f-ch')) { event.preventDefault(); return $('#f-ch').focus(); }
  if (key >= '1' && key <= '9') return ACTS.source(+key);
  if (KEYS[key] && !event.shiftKey) { event.preventDefault(); ACTS[KEYS[key]](); }
});

document.addEventListener('click', (event) => {
  const command = event.target.closest('[data-do]');
  if (!command) return;
  command.closest('dialog').close();
  ACTS[command.dataset.do]?.();
});
