/** Editing in place: the same box, a word diff for the eyes, and a save 800 ms after the last key. */
import { $, clone, on, post, say } from './dom.js';
import { copied, keep, spent } from './copies.js';
import { draw } from './diff.js';

const PAUSE = 800; // ms without a key before a save
const RENEW = 45_000; // ms; a hold lasts two minutes
let timer, saving = Promise.resolve();

/** The box that is being written in, if there is one. */
export const editing = () => $('#final');

export function changed(form = document) {
  const text = $('#final', form);
  return text && text.value !== text.dataset.original;
}

/** Resolves when no save is under way, so that a decision carries the newest version. */
export function settled() {
  clearTimeout(timer);
  return saving;
}

export function saveNext(form) {
  saving = saving.then(() => save(form));
}

function saveSoon(form, ms) {
  clearTimeout(timer);
  timer = setTimeout(saveNext, ms, form);
}

export function edit() {
  const form = $('#decide'), template = form && $('template[data-form=edit]', form);
  if (template && !editing()) begin(form, template);
  editing()?.focus();
}

function begin(form, template) {
  const draft = $('[data-slot=draft]', form), approve = $('[data-act=approve]', form);
  draft.replaceWith(clone(template));
  $('[data-changes]', form).replaceChildren(clone($('template[data-form=changes]', form)));
  if (draft.matches('.empty')) approve.ariaDisabled = null; // there is something to send now
  if (approve.ariaDisabled !== 'true') approve.firstChild.textContent = 'Approve the edit ';
  $('kbd', approve).textContent = 'Ctrl Enter';
  claim(form);
  editing().setSelectionRange(0, 0);
  if (copied(form)) restore(); // what is typed now would replace it
}

const send = (url, form) => post(url, new FormData(form), { 'HX-Target': 'saved' });
const claim = async (form) => refused(await send(form.dataset.claim, form), form);
setInterval(() => { if (changed() && !document.hidden) claim($('#decide')); }, RENEW);

/** Show the banner of a refusal over the draft, with the text left alone. */
async function refused(answer, form) {
  const text = [403, 409, 412, 423].includes(answer?.status) && await answer.text(), ours = /id="banner"/.test(text);
  if (ours) $('.banners', form).innerHTML = text; // our own server's rendered banner
  if (answer?.status === 401 || (text && !ours)) htmx.trigger('body', 'session-ended'); // or the form's token is another session's
}

async function save(form) {
  const sent = $('#final', form)?.value, answer = await send(form.dataset.save, form), note = $('#saved', form);
  if (answer?.ok) {
    spent(form, sent);
    const fields = [form.elements.version, $(`#attach-${form.dataset.id} [name=version]`)]; // a file may be attached next
    fields.forEach((field) => { if (field) field.value = answer.headers.get('X-Version') || field.value; });
    form.dataset.second = answer.headers.get('X-Second');
  }
  await refused(answer, form);
  if (!(answer?.status < 500)) saveSoon(form, 4 * PAUSE); // no connection, or no server: again, without another key
  if (note) note.textContent = answer?.ok ? `Saved ${answer.headers.get('X-Saved')}` : 'Not saved, kept here';
}

/** Put a text into the box so that the browser's own undo takes it back. */
function retype(text, words) {
  edit();
  editing().select();
  document.execCommand('insertText', false, text);
  say(`${words} Ctrl Z undoes.`);
}

export const original = () => retype(editing().dataset.original, 'The original text is back.');

export function restore() {
  const form = $('#decide'), [, , version, text] = copied(form);
  $('.banners', form).replaceChildren();
  retype(text, 'What you typed is back.');
  form.elements.version.value = version; // if somebody saved since, both texts are shown
}

/** What was typed here and never reached the server is offered again. */
export function offerUnsaved(form) {
  const place = $('.banners', form);
  if (copied(form) && !editing() && !place.firstElementChild) place.replaceChildren(clone($('#banner-kept')));
}

on('input', ({ target, data }) => {
  if (target.id !== 'final') return;
  if (data === '/' && /(^|\s)\/$/.test(target.value.slice(0, target.selectionStart))) import('./snippets.js').then((m) => m.open());
  draw(target.form, target.dataset.original, target.value);
  keep(target.form, target.value);
  saveSoon(target.form, PAUSE);
});

on('dragover drop paste', (event) => {
  const { files, types } = event.dataTransfer ?? event.clipboardData;
  if (!types.includes('Files') || types.includes('text/plain') || !$('.attach')) return;
  event.preventDefault();
  if (files.length) import('./files.js').then((m) => m.attach([...files]));
});
