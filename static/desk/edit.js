/** Editing in place: the same box, a word diff for the eyes, and a save 800 ms after the last key. */
import { $, clone, on, post, say } from './dom.js';

const LIMIT = 1200; // words on a side: the comparison costs their product
let timer, saving = Promise.resolve();

const box = () => $('#final');
export const editing = () => Boolean(box());
export const changed = () => editing() && box().value !== box().dataset.original;

/** Resolves when no save is under way, so that a decision carries the newest version. */
export const settled = () => { clearTimeout(timer); return saving; };

export function edit() {
  const form = $('#decide'), template = form && $('template[data-form=edit]', form);
  if (template && !editing()) {
    const draft = $('[data-slot=draft]', form);
    draft.replaceWith(clone(template));
    $('[data-changes]', form).replaceChildren(clone($('template[data-form=changes]', form)));
    const approve = $('[data-act=approve]', form);
    if (draft.matches('.empty')) approve.ariaDisabled = null; // there is something to send now
    if (approve.ariaDisabled !== 'true') approve.firstChild.textContent = 'Approve the edit ';
    $('kbd', approve).textContent = 'Ctrl Enter';
    claim(form);
    box().setSelectionRange(0, 0);
  }
  box()?.focus();
}

/** Show the banner of a refusal over the draft, with the text left alone. */
async function refused(answer, form) {
  if (![403, 409, 423].includes(answer?.status)) return false;
  $('.banners', form).innerHTML = await answer.text(); // our own server's rendered banner
  return true;
}

const send = (url, form) => post(url, new FormData(form), { 'HX-Target': 'saved' });
const claim = async (form) => refused(await send(form.dataset.claim, form), form);
setInterval(() => { if (changed() && !document.hidden) claim($('#decide')); }, 45000); // a claim lasts two minutes

async function save(form) {
  const answer = await send(form.dataset.save, form), note = $('#saved', form);
  if (answer?.ok) {
    form.elements.version.value = answer.headers.get('X-Version') || form.elements.version.value;
    form.dataset.second = answer.headers.get('X-Second');
  }
  if (answer?.status === 401) htmx.trigger('body', 'session-ended');
  await refused(answer, form);
  if (note) note.textContent = answer?.ok ? `Saved ${answer.headers.get('X-Saved')}` : 'Not saved yet, kept here';
}

export function original() {
  box().select();
  document.execCommand('insertText', false, box().dataset.original); // keeps the browser's own undo
  say('The original text is back. Ctrl Z undoes.');
}

on('input', ({ target }) => {
  if (target.id !== 'final') return;
  draw(target.form, target.dataset.original, target.value);
  clearTimeout(timer);
  timer = setTimeout(() => { saving = saving.then(() => save(target.form)); }, 800);
});

const words = (text) => text.match(/\s+|\S+/g) || [];

/** [[kept, taken out, put in], ...] by the longest common sequence; edits a word apart are one, for people. */
function diff(a, b) {
  const n = a.length, m = b.length, common = Array.from({ length: n + 1 }, () => new Uint16Array(m + 1)), out = [['', '', '']];
  for (let i = n; i--;) for (let j = m; j--;) common[i][j] = a[i] === b[j] ? common[i + 1][j + 1] + 1 : Math.max(common[i + 1][j], common[i][j + 1]);
  for (let i = 0, j = 0; i < n || j < m;) {
    let run = 0, kept = '';
    while (i + run < n && a[i + run] === b[j + run]) kept += a[i + run++];
    const last = out.at(-1);
    if (run && (run > 3 || !(last[1] || last[2]) || (i + run === n && j + run === m))) out.push([kept, '', '']); else { last[1] += kept; last[2] += kept; }
    i += run;
    j += run;
    if (j < m && (i >= n || common[i][j + 1] > common[i + 1][j])) out.at(-1)[2] += b[j++]; else if (i < n) out.at(-1)[1] += a[i++];
  }
  return out;
}

function draw(form, before, after) {
  const a = words(before), b = words(after), box = $('[data-diff]', form), count = { del: 0, ins: 0 };
  if (Math.max(a.length, b.length) > LIMIT) { box.textContent = 'Too long to compare while typing.'; return; }
  box.replaceChildren(...diff(a, b).flatMap(([kept, out, into]) => {
    const parts = words(kept), nodes = [parts.length < 20 ? kept : `${parts.slice(0, 8).join('')} … ${parts.slice(-8).join('')}`];
    for (const [kind, text] of [['del', out], ['ins', into]]) {
      const node = document.createElement(kind);
      count[kind] += text.split(/\s+/).filter(Boolean).length;
      node.textContent = text;
      if (text) nodes.push(node);
    }
    return nodes;
  }));
  $('[data-counts]', form).textContent = `${count.del} words out, ${count.ins} in`;
}
