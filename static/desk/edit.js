/** Editing in place: the same box, a live diff, and a save 800 ms after the last key. */
import { $, clone, say, token } from './dom.js';
import { draw } from './diff.js';

const PAUSE = 800;
const HEARTBEAT = 45000; // a claim lasts two minutes
let timer = 0;
let saving = Promise.resolve();

const pane = () => $('#decide');
const box = () => $('#final');
export const editing = () => Boolean(box());
export const changed = () => editing() && box().value !== box().dataset.original;

/** Resolves when no save is under way, so that a decision carries the newest version. */
export const settled = () => { clearTimeout(timer); return saving; };

export function edit() {
  const form = pane();
  if (editing()) return box().focus();
  const template = form && $('template[data-form=edit]', form);
  if (!template) return;
  $('[data-slot=draft]', form).replaceWith(clone(template));
  $('[data-changes]', form).replaceChildren(clone($('template[data-form=changes]', form)));
  const approve = $('[data-act=approve]', form);
  if (approve && approve.getAttribute('aria-disabled') !== 'true') approve.firstChild.textContent = 'Approve the edit ';
  const key = approve && $('kbd', approve);
  if (key) key.textContent = 'Ctrl Enter';
  $('[data-act=edit]', form)?.setAttribute('aria-current', 'true');
  box().focus();
  box().setSelectionRange(0, 0);
  claim(form);
}

function claim(form) {
  if (!form.dataset.claim) return;
  send(form.dataset.claim, form).then(async (answer) => {
    if (answer?.status !== 409 && answer?.status !== 423) return;
    $('.banners', form).innerHTML = await answer.text(); // our own server's rendered banner
    $('.banner', form)?.focus();
  });
}

async function send(url, form) {
  try {
    return await fetch(url, { method: 'POST', body: new FormData(form), headers: { 'X-CSRFToken': token(), 'HX-Request': 'true', 'HX-Target': 'saved' } });
  } catch { return null; }
}

async function save(form) {
  const note = $('#saved');
  const answer = await send(form.dataset.save, form);
  if (answer?.ok) {
    form.elements.version.value = answer.headers.get('X-Version') || form.elements.version.value;
    form.dataset.second = answer.headers.get('X-Second') ?? form.dataset.second;
  }
  if (answer?.status === 401) document.body.dispatchEvent(new Event('session-ended'));
  if (!note?.isConnected) return;
  if (answer?.ok) note.textContent = `Saved ${new Date().toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' })}`;
  else if (answer?.status === 409 || answer?.status === 423) {
    $('.banners', form).innerHTML = await answer.text();
    note.textContent = 'Not saved: someone else decided or is editing';
  } else note.textContent = 'Not saved yet, kept here';
}

export function original() {
  if (!editing()) return;
  const field = box();
  field.focus();
  field.select();
  document.execCommand('insertText', false, field.dataset.original); // keeps the browser's own undo
  say('The original text is back. Undo with Ctrl Z.');
}

document.addEventListener('input', (event) => {
  if (event.target.id !== 'final') return;
  const form = event.target.form;
  $('[data-counts]', form).textContent = draw($('[data-diff]', form), event.target.dataset.original, event.target.value);
  clearTimeout(timer);
  timer = setTimeout(() => { saving = saving.then(() => save(form)); }, PAUSE);
});

setInterval(() => { if (changed() && !document.hidden) claim(pane()); }, HEARTBEAT);
