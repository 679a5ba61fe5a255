/** The review pane: showing the next draft from the page itself, and sending decisions behind it. */
import { $, $$, clone, narrow, say, warn } from './dom.js';
import { changed, edit, editing, original, settled } from './edit.js';
import { offline, undo, wake } from './outbox.js';

const ARM = 350; // ms a draft must be on screen before it can be approved: a double tap must not approve the next one
const DEPTH = 2; // panes kept ready
const review = $('#review');
const slot = $('#next-slot');
const decided = new Set();
const flights = new Map(); // id -> the pane that was decided, until the server has answered
let shownAt = performance.now();
let confirmed = false;
let waiting = false;
let opened = new Set();
let onScreen = review?.firstElementChild;

const pane = () => $('#decide');
const rows = () => $$('#rows .row').filter((row) => !decided.has(row.dataset.id));
const ready = () => { // the words for an empty queue come last
  const all = $$('template', slot).filter((t) => !decided.has(t.dataset.next)), drafts = all.filter((t) => t.dataset.next);
  return drafts.length ? drafts : all;
};
const held = (id) => ready().find((t) => id && t.dataset.next === id);

/** After any swap: which row is current, where the focus is, what is said. */
function arrived({ words = '', focus = true } = {}) {
  const form = pane(), id = form?.dataset.id;
  onScreen = review.firstElementChild;
  shownAt = performance.now();
  confirmed = form?.elements.pressed_twice?.value === '1';
  decided.delete(id);
  const line = document.getElementById(`li-${id}`);
  if (line) line.hidden = false;
  waiting = false;
  opened = new Set();
  for (const row of $$('#rows .row')) {
    const current = row.dataset.id === id;
    if (current) { row.setAttribute('aria-current', 'true'); row.scrollIntoView({ block: 'nearest' }); } else row.removeAttribute('aria-current');
  }
  if (form) {
    history.replaceState(null, '', form.dataset.detail);
    document.title = `${$('#rv-title').textContent} · Countersign`;
    if (narrow()) scrollTo(0, 0);
    $$('.actions > :is(a, button), .actions summary', form).forEach((stop, at) => { stop.tabIndex = at ? -1 : 0; });
  }
  const banner = $('#banner[role=alert]', review);
  if (focus) (banner || $('#rv-title', review))?.focus({ preventScroll: true });
  if (banner) { banner.scrollIntoView({ block: 'nearest' }); return; }
  const title = $('#rv-title', review)?.textContent.trim() ?? '';
  say(words ? `${words} Next: ${title}.` : `${title}. ${$('.support b', review)?.textContent ?? ''}. ${rows().length} left.`);
}

function show(template, options) {
  review.replaceChildren(clone(template));
  template.remove();
  arrived(options);
}

/** Ids of the drafts that should be ready next, by the list on screen. */
export function wanted() {
  const list = rows().map((row) => row.dataset.id), at = list.indexOf(pane()?.dataset.id);
  return list.slice(at + 1, at + 1 + DEPTH).filter((id) => !held(id));
}

/** Ask for the panes that will be wanted next, unless a decision's own answer brings them. */
const ahead = () => { if (wanted().length) wake(); };

export function go(row) {
  if (!row) return;
  const template = held(row.dataset.id);
  if (template) { show(template); ahead(); } else htmx.ajax('GET', row.getAttribute('href'), { source: '#review', target: '#review', swap: 'innerHTML' });
}

function move(step) {
  const list = rows(), at = list.findIndex((row) => row.dataset.id === pane()?.dataset.id);
  const row = list[at + step];
  if (row) go(row); else say(step > 0 ? 'This is the last draft.' : 'This is the first draft.');
}

/** The second press: only when a statement has no source, or money is named. True when this press was the first. */
function mustConfirm(form, button) {
  const why = form.dataset.second, unsourced = $$('.claim--none', form);
  if (confirmed || !why) return false;
  confirmed = true;
  button.firstChild.textContent = `Press again: ${why} `;
  unsourced[0]?.scrollIntoView({ block: 'center' });
  say(`${why}${unsourced[0] ? `: ${unsourced[0].textContent}` : ''}. Press ${editing() ? 'Ctrl Enter' : 'A'} again to send anyway.`);
  return true;
}

function values(form, button) {
  const data = new FormData(form, button), out = {};
  for (const key of new Set(data.keys())) { const all = data.getAll(key); out[key] = all.length > 1 ? all : all[0]; }
  return { ...out, viewed_ms: Math.round(performance.now() - shownAt), sources_opened: opened.size };
}

const DONE = { approve: 'Approved', 'reject-now': 'Rejected', 'snooze-now': 'Snoozed', elsewhere: 'Marked as answered' };

async function decide(form, button) {
  const act = button.dataset.act, id = form.dataset.id;
  if (button.getAttribute('aria-disabled') === 'true') return say($('#why-blocked')?.textContent || 'Approve is blocked.');
  if (offline()) return warn('No connection: nothing was sent. Your text stays here.');
  if (decided.has(id) || (act in DONE && performance.now() - shownAt < ARM)) return;
  if (act === 'approve' && mustConfirm(form, button)) return;
  const url = button.getAttribute('formaction') || form.getAttribute('action');
  const sent = { ...values(form, button), pressed_twice: confirmed ? '1' : '' };
  if (!(act in DONE)) { // the answer is this pane again: wait for it
    button.disabled = true;
    htmx.ajax('POST', url, { source: '#decider', target: '#review', swap: 'innerHTML', values: sent });
    return;
  }
  const list = rows(), at = list.findIndex((row) => row.dataset.id === id);
  const next = list[at + 1] || list[at - 1];
  decided.add(id);
  flights.set(id, form);
  const line = document.getElementById(`li-${id}`);
  if (line) line.hidden = true;
  const template = next ? held(next.dataset.id) : ready()[0];
  const words = `${DONE[act]}: ${form.dataset.who}. ${act === 'approve' ? 'Z to undo.' : ''}`;
  if (template) show(template, { words });
  else {
    waiting = !next;
    review.replaceChildren(clone($('#skeleton')));
    onScreen = review.firstElementChild;
    say(words);
    go(next);
  }
  await settled(); // an autosave under way brings the version that this decision is made on
  sent.version = form.elements.version.value;
  htmx.ajax('POST', url, { source: '#decider', target: '#review', swap: 'none', values: { ...sent, want: wanted().join(), have: ready().filter((t) => t.dataset.next).length, skip: [...decided, pane()?.dataset.id, ...ready().map((t) => t.dataset.next)].filter(Boolean).join(), filter: $('#decider').dataset.filter } })
    .then(() => { if (waiting && ready().length) show(ready()[0]); });
}

/** The customer wrote again, or somebody decided, while this draft is being read. */
function block(banner) {
  const approve = banner && $('[data-act=approve]', review);
  if (approve) {
    approve.setAttribute('aria-disabled', 'true');
    approve.setAttribute('aria-describedby', 'why-blocked');
    $('#why-blocked').textContent = 'Look at the note above first';
  }
  if (banner) warn(`${$('b', banner).textContent} Approve is blocked.`);
}

/** A decision that did not arrive: its pane comes back with everything that was typed into it. */
function comeBack(id, words) {
  const form = flights.get(id), line = document.getElementById(`li-${id}`);
  decided.delete(id);
  flights.delete(id);
  if (line) line.hidden = false;
  if (!form) return;
  if (changed()) { const kept = document.createElement('template'); kept.dataset.next = id; kept.content.append(form); slot.prepend(kept); } else { review.replaceChildren(form); arrived(); }
  warn(words);
}

function source(n) {
  const card = document.getElementById(`src-${n}`);
  if (!card) return;
  opened.add(n);
  for (const old of $$('.src[aria-current], .cite[aria-current]')) old.removeAttribute('aria-current');
  card.setAttribute('aria-current', 'true');
  for (const cite of $$(`.cite[href="#src-${n}"]`, review)) cite.setAttribute('aria-current', 'true');
  card.scrollIntoView({ block: 'nearest' });
  say(`Source ${n}. ${card.innerText.slice(0, 180)}`);
}

let lastUnsourced = -1;
function nextUnsourced() {
  const all = $$('.claim--none', review);
  if (!all.length) return say('Every statement has a source.');
  lastUnsourced = (lastUnsourced + 1) % all.length;
  all[lastUnsourced].scrollIntoView({ block: 'center' });
  say(`No source: ${all[lastUnsourced].textContent}`);
}

/** Reject, redraft and snooze ask one thing first, in the page. The questions are the same for every draft. */
const VERBS = { reject: 'reject', redraft: 'regenerate', snooze: 'snooze' };
function ask(kind) {
  const form = pane(), area = form && $('[data-ask]', form), template = document.getElementById(`ask-${kind}`);
  if (!template || !$(`.actions [data-act=${kind}]`, form)) return;
  if ($(`[data-form=${kind}]`, area)) return $('[type=submit]', area).click();
  area.replaceChildren(clone(template));
  $('[type=submit]', area).setAttribute('formaction', new URL(`${VERBS[kind]}/`, new URL(form.dataset.detail, location)).pathname);
  area.scrollIntoView({ block: 'nearest' });
  $('input', area).focus();
}

function cancel() {
  $('[data-ask]', review)?.replaceChildren();
  $('#rv-title', review)?.focus();
}

export const asking = () => $('[data-ask] [data-slot=ask]', review);
export const ACTS = {
  approve: () => $('[data-act=approve]', review)?.click(),
  edit, original, cancel, undo,
  reject: () => ask('reject'),
  redraft: () => ask('redraft'),
  snooze: () => ask('snooze'),
  timeline: () => { const url = pane()?.dataset.timeline; if (url) location.assign(url); },
  next: () => move(1),
  prev: () => move(-1),
  unsourced: nextUnsourced,
  source,
};

if (review) {
  document.addEventListener('submit', (event) => {
    if (event.target !== pane()) return;
    event.preventDefault();
    decide(event.target, event.submitter ?? $('[data-act=approve]', event.target));
  });
  review.addEventListener('click', (event) => {
    const act = event.target.closest('[data-act]'), nav = event.target.closest('[data-nav]'), cite = event.target.closest('.cite'), fill = event.target.closest('[data-fill]');
    if (cite) { event.preventDefault(); source(+cite.textContent); }
    if (event.target.closest('.src a')) opened.add(+event.target.closest('.src').id.slice(4));
    if (nav) { event.preventDefault(); ACTS[nav.dataset.nav](); }
    if (fill) $('#ask-note').value = fill.dataset.fill;
    if (act && act.type !== 'submit' && act.dataset.act !== 'timeline' && ACTS[act.dataset.act]) { event.preventDefault(); ACTS[act.dataset.act](); }
  });
  $('#rows').addEventListener('click', (event) => {
    const row = event.target.closest('.row');
    if (!row || narrow() || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    go(row);
  });
  /* one tab stop, arrows inside (APG toolbar) */
  review.addEventListener('keydown', (event) => {
    const bar = event.target.closest('[role=toolbar]');
    if (event.key === 'Enter' && event.target.closest('[data-slot=ask]') && event.target.matches('input')) { event.preventDefault(); $('[type=submit]', asking()).click(); }
    if (!bar || !['ArrowLeft', 'ArrowRight', 'Home', 'End'].includes(event.key)) return;
    const stops = $$(':scope > :is(a, button), summary', bar).filter((stop) => stop.offsetParent);
    const at = stops.indexOf(event.target), last = stops.length - 1;
    const to = { Home: 0, End: last, ArrowLeft: at ? at - 1 : last, ArrowRight: at < last ? at + 1 : 0 }[event.key];
    for (const stop of stops) stop.tabIndex = -1;
    stops[to].tabIndex = 0;
    stops[to].focus();
    event.preventDefault();
  });

  const idOf = (event) => [...flights.keys()].find((id) => event.detail.pathInfo?.requestPath?.includes(id));
  document.body.addEventListener('htmx:configRequest', (event) => {
    if (event.detail.elt.id !== 'pulse') return;
    Object.assign(event.detail.parameters, { since: event.detail.elt.dataset.since, want: wanted().join(), draft: pane()?.dataset.id ?? '', rows: $$('#rows .row').length, filter: $('#decider').dataset.filter });
  });
  document.body.addEventListener('htmx:beforeSwap', (event) => {
    const { xhr } = event.detail, id = idOf(event);
    if (!id || xhr.status < 400) return;
    if (!xhr.getResponseHeader('HX-Retarget')) { // not one of the desk's own answers
      event.detail.shouldSwap = false;
      return comeBack(id, 'That was refused and nothing was sent. The draft is back as you left it.');
    }
    decided.delete(id);
    flights.delete(id);
    if (!changed()) return;
    // the person is writing in another draft: what was refused waits in the list instead of taking the page away
    event.detail.shouldSwap = false;
    const kept = document.createElement('template');
    kept.dataset.next = id;
    kept.innerHTML = xhr.responseText; // our own server's rendered pane
    slot.prepend(kept);
    const line = document.getElementById(`li-${id}`);
    if (line) line.hidden = false;
    warn('A decision was refused and nothing was sent. It is back in your list.');
  });
  document.body.addEventListener('htmx:afterSwap', (event) => { if (review.firstElementChild !== onScreen) { arrived(); ahead(); } }); // also fires for swap=none
  document.body.addEventListener('htmx:afterRequest', (event) => { const id = idOf(event); if (id && event.detail.successful) flights.delete(id); });
  document.body.addEventListener('htmx:oobAfterSwap', (event) => {
    if (event.detail.target.id.startsWith('banners-')) block($('.banner[role=alert]', event.detail.target));
    for (const row of $$('#rows .row')) if (decided.has(row.dataset.id)) row.parentNode.hidden = true;
    if (waiting && ready().length) show(ready()[0]);
  });
  for (const name of ['htmx:responseError', 'htmx:sendError', 'htmx:timeout']) {
    document.body.addEventListener(name, (event) => { const id = idOf(event); if (id) comeBack(id, 'That did not arrive, nothing was sent. The draft is back as you left it.'); });
  }
  if (pane()) $$('.actions > :is(a, button), .actions summary').forEach((stop, at) => { stop.tabIndex = at ? -1 : 0; });
}
