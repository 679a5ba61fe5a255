/** Decisions are sent behind the next draft, which is on screen before the server has answered; a refused one comes back. */
import { $, $$, on, say, warn } from './dom.js';
import { changed, editing, saveNext, settled } from './editor.js';
import { redrawChosen, unpick } from './batch.js';
import { bones, decided, fill, go, held, hide, pane, put, reading, ready, review, row, slot, tooSoon, wanted } from './panes.js';
import { keyOf } from './keymap.js';
import { offline } from './pulse.js';
import { spent } from './copies.js';

const DONE = { approve: 'Approved', 'reject-now': 'Rejected', 'snooze-now': 'Snoozed', elsewhere: 'Answered elsewhere', close: 'Closed' };
/** Draft -> its pane, for decisions that the server has not answered yet. */
const flights = new Map();

/** True when this press was the first of two: a statement has no source, or money is named. */
function mustConfirm(form, button) {
  const why = form.dataset.second, unsourced = $('.unsourced', form);
  if (reading.confirmed || !why) return false;
  reading.confirmed = true;
  button.firstChild.textContent = `Press again: ${why} `;
  unsourced?.scrollIntoView({ block: 'center' });
  say(`${why}: ${unsourced?.textContent ?? ''} Press again to send anyway.`);
  return true;
}

/** What the form holds, and how the draft was read. */
function valuesOf(form, button) {
  const data = new FormData(form, button);
  return {
    ...Object.fromEntries([...data.keys()].map((key) => [key, data.getAll(key)])),
    pressed_twice: reading.confirmed ? '1' : '',
    viewed_ms: Math.round(performance.now() - reading.shownAt),
    sources_opened: reading.opened.size,
  };
}

/** Which panes the answer should bring along. */
function whatComesNext() {
  const have = ready().map((t) => t.dataset.next);
  const skip = [...decided, ...have, pane()?.dataset.id ?? ''].join();
  return { want: wanted().join(), have: have.length, skip, filter: $('#decider').dataset.filter };
}

async function decide(form, button) {
  const act = button.dataset.act, final = act in DONE;
  if (button.ariaDisabled === 'true') return say($('#why-blocked').textContent);
  if (offline()) return warn('No connection: nothing was sent. Your text stays here.');
  if (decided.has(form.dataset.id) || (final && tooSoon()) || (act === 'approve' && mustConfirm(form, button))) return;
  const url = button.getAttribute('formaction') || form.getAttribute('action'), values = valuesOf(form, button);
  const send = (swap) => htmx.ajax('POST', url, { source: '#decider', target: '#review', swap, values });
  if (!final) { // the answer is this pane again
    button.disabled = true;
    await settled();
    values.version = values.version?.at(-1); // a button may name the version that it answers
    return send('innerHTML');
  }
  leave(form, act);
  if (act !== 'approve' && changed(form)) saveNext(form); // an approval carries the text itself
  await settled(); // a save under way brings the version that this decision is made on
  values.version = form.elements.version.value;
  Object.assign(values, whatComesNext());
  await send('none');
  fill();
}

/** The draft leaves the screen at once, and the next one is there. */
function leave(form, act) {
  const id = form.dataset.id, next = row(1) || row(-1);
  const words = `${DONE[act]}: ${form.dataset.who}. ${act === 'approve' ? `${keyOf('undo')} to undo.` : ''}`;
  decided.add(id);
  flights.set(id, form);
  hide(id, true);
  if (!next || !held(next.dataset.id)) {
    reading.waiting = !next;
    bones();
    say(words);
  }
  go(next, words);
}

/** A decision came back: its pane returns, or waits in the list while another draft is being written in. */
function comeBack(id, html) {
  const form = flights.get(id);
  decided.delete(id);
  flights.delete(id);
  hide(id, false);
  if (editing()) {
    const template = document.createElement('template');
    template.dataset.next = id;
    if (html) template.innerHTML = html; // our own server's rendered pane
    else template.content.append(form);
    slot.prepend(template);
  } else if (!html) {
    put(form);
  }
  warn('That was not carried out and nothing was sent. The draft is back.');
}

/** The customer wrote again, or somebody decided, while this draft is being read. */
function block(banner) {
  const approve = $('[data-act=approve]', review);
  if (!banner) return;
  if (approve) {
    approve.ariaDisabled = 'true';
    $('#why-blocked').textContent = 'Look at the note above first';
  }
  warn(`${$('b', banner).textContent} Approve is blocked.`);
}

/** The draft whose decision this request carries. */
const flightOf = ({ detail }) => [...flights.keys()].find((id) => detail.pathInfo?.requestPath.includes(id));

/** What the pulse asks about: this page as it stands. */
const whatIsHere = () => ({
  since: $('#pulse').dataset.since,
  want: wanted().join(),
  draft: pane()?.dataset.id ?? '',
  room: $('.room', review)?.dataset.room ?? '',
  rows: $$('#rows .row').length,
  filter: $('#decider').dataset.filter,
});

if (review) {
  on('submit', (event) => {
    if (event.target !== pane()) return;
    event.preventDefault();
    decide(event.target, event.submitter ?? $('[data-act=approve]'));
  });
  on('htmx:configRequest', ({ detail }) => {
    if (detail.elt.id === 'pulse') Object.assign(detail.parameters, whatIsHere());
  });
  on('htmx:beforeSwap', (event) => {
    const { detail } = event, id = flightOf(event), ours = detail.xhr.getResponseHeader('HX-Retarget');
    if (!id || detail.xhr.status < 400) return;
    if (editing() || !ours) detail.shouldSwap = false;
    comeBack(id, ours && detail.xhr.responseText);
  });
  on('htmx:oobAfterSwap', ({ detail }) => {
    if (detail.target.id.startsWith('banners-')) block($('.banner[role=alert]', detail.target));
    decided.forEach((id) => {
      hide(id, true);
      unpick(id);
    });
    redrawChosen();
    fill();
  });
  on('htmx:afterRequest', (event) => {
    const id = flightOf(event);
    if (!id || !event.detail.successful) return;
    if (event.detail.pathInfo.requestPath.includes('approve')) spent(flights.get(id));
    flights.delete(id);
  });
  on('htmx:responseError htmx:sendError htmx:timeout', (event) => {
    const id = flightOf(event);
    if (id) comeBack(id);
  });
}
