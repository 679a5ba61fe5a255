/** The review pane: the next draft is shown from the page itself, and decisions are sent behind it. */
import { $, $$, clone, on, say, warn } from './dom.js';
import { changed, edit, editing, original, settled } from './edit.js';
import { offline, undo, wake } from './outbox.js';

const ARM = 350; // ms on screen before a draft can be decided: a double tap must not decide the next one
const DEPTH = 2; // panes kept ready
const review = $('#review'), slot = $('#next-slot');
const decided = new Set(), flights = new Map(); // flights: the panes of decisions that the server has not answered yet
let shownAt = performance.now(), confirmed, waiting, opened = new Set(), onScreen = review?.firstElementChild;

const pane = () => $('#decide');
const narrow = () => matchMedia('(max-width: 819px)').matches;
const rows = () => $$('#rows .row').filter((row) => !decided.has(row.dataset.id));
const row = (step) => { const list = rows(); return list[list.findIndex((r) => r.dataset.id === pane()?.dataset.id) + step]; };
const ready = () => $$('template', slot).filter((t) => t.dataset.next && !decided.has(t.dataset.next));
const held = (id) => ready().find((t) => t.dataset.next === id);
const hide = (id, hidden) => { const line = document.getElementById(`li-${id}`); if (line) line.hidden = hidden; };
const mark = (element, current) => { if (current) element.setAttribute('aria-current', 'true'); else element.removeAttribute('aria-current'); };
const stops = (bar) => bar ? $$(':scope > :is(a, button), summary', bar).filter((stop) => stop.offsetParent) : [];
const rove = (bar, to) => stops(bar).forEach((stop, at) => { stop.tabIndex = at === to ? 0 : -1; });
const wanted = () => [row(1), row(2)].filter((r) => r && !held(r.dataset.id)).map((r) => r.dataset.id);
const ahead = () => wanted().length && wake();

/** After any swap: which row is current, where the focus is, what is said. */
function arrived(words) {
  const form = pane(), id = form?.dataset.id, banner = $('#banner[role=alert]', review), title = $('#rv-title', review);
  onScreen = review.firstElementChild;
  shownAt = performance.now();
  confirmed = form?.elements.pressed_twice?.value === '1';
  waiting = false;
  opened = new Set();
  decided.delete(id);
  hide(id, false);
  $$('#rows .row').forEach((r) => mark(r, r.dataset.id === id));
  $('#rows [aria-current]')?.scrollIntoView({ block: 'nearest' });
  if (form) {
    history.replaceState(null, '', form.dataset.detail);
    document.title = `${title.textContent} · Countersign`;
    if (narrow()) scrollTo(0, 0);
    rove($('.actions', form), 0);
  }
  (banner || title)?.focus({ preventScroll: true });
  if (banner) banner.scrollIntoView({ block: 'nearest' });
  else say(`${words ? `${words} Next: ` : ''}${title?.textContent.trim()}. ${$('.support b', review)?.textContent ?? ''}. ${rows().length} left.`);
}

function put(content, words) {
  review.replaceChildren(content);
  arrived(words);
}

function show(template, words) {
  const content = clone(template);
  template.remove();
  put(content, words);
}

function go(to, words) {
  const template = to && held(to.dataset.id);
  if (template) { show(template, words); ahead(); } else if (to) htmx.ajax('GET', to.getAttribute('href'), { source: '#review', target: '#review', swap: 'innerHTML' });
}

/** True when this press was the first of two: a statement has no source, or money is named. */
function mustConfirm(form, button) {
  const why = form.dataset.second, unsourced = $('.claim--none', form);
  if (confirmed || !why) return false;
  confirmed = true;
  button.firstChild.textContent = `Press again: ${why} `;
  unsourced?.scrollIntoView({ block: 'center' });
  say(`${why}: ${unsourced?.textContent ?? ''} Press again to send anyway.`);
  return true;
}

const DONE = { approve: 'Approved', 'reject-now': 'Rejected', 'snooze-now': 'Snoozed', elsewhere: 'Answered elsewhere' };

async function decide(form, button) {
  const act = button.dataset.act, id = form.dataset.id, final = act in DONE;
  if (button.ariaDisabled === 'true') return say($('#why-blocked').textContent);
  if (offline()) return warn('No connection: nothing was sent. Your text stays here.');
  if (decided.has(id) || (final && performance.now() - shownAt < ARM) || (act === 'approve' && mustConfirm(form, button))) return;
  const url = button.getAttribute('formaction') || form.getAttribute('action'), data = new FormData(form, button);
  const values = Object.fromEntries([...data.keys()].map((key) => [key, data.getAll(key)]));
  Object.assign(values, { pressed_twice: confirmed ? '1' : '', viewed_ms: Math.round(performance.now() - shownAt), sources_opened: opened.size });
  const ask = { source: '#decider', target: '#review', swap: final ? 'none' : 'innerHTML', values };
  if (!final) { button.disabled = true; return htmx.ajax('POST', url, ask); } // the answer is this pane again
  const next = row(1) || row(-1), words = `${DONE[act]}: ${form.dataset.who}. ${act === 'approve' ? 'Z to undo.' : ''}`;
  decided.add(id);
  flights.set(id, form);
  hide(id, true);
  if (!next || !held(next.dataset.id)) {
    waiting = !next;
    review.replaceChildren(clone($('#skeleton')));
    onScreen = review.firstElementChild;
    say(words);
  }
  go(next, words);
  await settled(); // a save under way brings the version that this decision is made on
  values.version = form.elements.version.value;
  const have = ready().map((t) => t.dataset.next);
  Object.assign(values, { want: wanted().join(), have: have.length, skip: [...decided, ...have, pane()?.dataset.id ?? ''].join(), filter: $('#decider').dataset.filter });
  await htmx.ajax('POST', url, ask);
  fill();
}

/** A dry slot fills itself, with the words for an empty queue if need be. */
const fill = () => { const template = waiting && (ready()[0] || $('template[data-next=""]', slot)); if (template) show(template); };

/** A decision came back: its pane returns, or waits in the list while another draft is being written in. */
function comeBack(id, html) {
  const form = flights.get(id);
  decided.delete(id);
  flights.delete(id);
  hide(id, false);
  if (changed()) {
    const template = document.createElement('template');
    template.dataset.next = id;
    if (html) template.innerHTML = html; else template.content.append(form); // html: our own server's rendered pane
    slot.prepend(template);
  } else if (!html) put(form);
  warn('That was not carried out and nothing was sent. The draft is back in your list.');
}

/** The customer wrote again, or somebody decided, while this draft is being read. */
function block(banner) {
  const approve = $('[data-act=approve]', review);
  if (!banner) return;
  if (approve) { approve.ariaDisabled = 'true'; $('#why-blocked').textContent = 'Look at the note above first'; }
  warn(`${$('b', banner).textContent} Approve is blocked.`);
}

function source(n) {
  const card = document.getElementById(`src-${n}`);
  if (!card) return;
  opened.add(n);
  $$('.src, .cite', review).forEach((e) => mark(e, e === card || e.getAttribute('href') === `#src-${n}`));
  card.scrollIntoView({ block: 'nearest' });
  say(`Source ${n}. ${card.innerText.slice(0, 180)}`);
}

let last = -1;
function unsourced() {
  const all = $$('.claim--none', review), found = all[last = (last + 1) % (all.length || 1)];
  found?.scrollIntoView({ block: 'center' });
  say(found ? `No source: ${found.textContent}` : 'Every statement has a source.');
}

/** Reject, redraft and snooze ask one thing first; the questions are the same for every draft. */
const ask = (kind, verb) => () => {
  const area = $('[data-ask]', review), template = $(`#ask-${kind}`);
  if (!template || !$(`.actions [data-act=${kind}]`, review)) return;
  area.replaceChildren(clone(template));
  $('[type=submit]', area).setAttribute('formaction', pane().dataset.save.replace('/edit/', `/${verb}/`));
  area.scrollIntoView({ block: 'nearest' });
  $('input', area).focus();
};

export const asking = () => $('[data-ask] [data-slot=ask]');
export const ACTS = {
  edit, original, undo, source, unsourced,
  approve: () => $('[data-act=approve]', review)?.click(),
  reject: ask('reject', 'reject'),
  redraft: ask('redraft', 'regenerate'),
  snooze: ask('snooze', 'snooze'),
  cancel: () => { asking().remove(); $('#rv-title').focus(); },
  timeline: () => { if (pane()) location.assign(pane().dataset.timeline); },
  next: () => row(1) ? go(row(1)) : say('This is the last draft.'),
  prev: () => row(-1) ? go(row(-1)) : say('This is the first draft.'),
};

if (review) {
  rove($('.actions'), 0);
  on('submit', (event) => {
    if (event.target !== pane()) return;
    event.preventDefault();
    decide(event.target, event.submitter ?? $('[data-act=approve]'));
  });
  on('click', (event) => {
    const near = (selector) => event.target.closest(selector), act = near('#review [data-act], #review [data-nav]'), cite = near('.cite'), listed = near('.row');
    const name = act?.dataset.nav || act?.dataset.act;
    if (near('[data-fill]')) $('#ask-note').value = near('[data-fill]').dataset.fill;
    if (near('.src a')) opened.add(+near('.src').id.slice(4));
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (cite) source(+cite.textContent);
    else if (listed && !narrow()) go(listed);
    else if (act && act.type !== 'submit' && name !== 'timeline' && ACTS[name]) ACTS[name]();
    else return;
    event.preventDefault();
  });
  on('keydown', (event) => { // one tab stop, arrows inside (APG toolbar)
    const bar = event.target.closest?.('[role=toolbar]'), list = stops(bar), at = list.indexOf(event.target);
    const to = { Home: 0, End: list.length - 1, ArrowLeft: at - 1, ArrowRight: at + 1 }[event.key];
    if (!bar || to === undefined) return;
    event.preventDefault();
    rove(bar, (to + list.length) % list.length);
    list.at(to % list.length).focus();
  });

  const flight = ({ detail }) => [...flights.keys()].find((id) => detail.pathInfo?.requestPath.includes(id));
  on('htmx:configRequest', ({ detail }) => {
    if (detail.elt.id === 'pulse') Object.assign(detail.parameters, { since: detail.elt.dataset.since, want: wanted().join(), draft: pane()?.dataset.id ?? '', rows: $$('#rows .row').length, filter: $('#decider').dataset.filter });
  });
  on('htmx:beforeSwap', (event) => {
    const { detail } = event, id = flight(event), ours = detail.xhr.getResponseHeader('HX-Retarget');
    if (!id || detail.xhr.status < 400) return;
    if (changed() || !ours) detail.shouldSwap = false;
    comeBack(id, ours && detail.xhr.responseText);
  });
  on('htmx:afterSwap', () => { if (review.firstElementChild !== onScreen) { arrived(); ahead(); } }); // fires for swap=none too
  on('htmx:oobAfterSwap', ({ detail }) => {
    if (detail.target.id.startsWith('banners-')) block($('.banner[role=alert]', detail.target));
    decided.forEach((id) => hide(id, true));
    fill();
  });
  on('htmx:afterRequest', (event) => { if (event.detail.successful) flights.delete(flight(event)); });
  on('htmx:responseError htmx:sendError htmx:timeout', (event) => {
    const id = flight(event);
    if (id) comeBack(id);
  });
}
