/** The review pane: which draft is on screen, and the next ones that the page holds ready. */
import { $, $$, clone, on, say } from './dom.js';
import { offerUnsaved } from './editor.js';
import { wake } from './pulse.js';
import { rove } from './toolbar.js';

const ARM = 350; // ms on screen before a draft can be decided: a double tap must not decide the next one
const LATE = 150; // ms before a pane that is fetched shows its skeleton

export const review = $('#review');
export const slot = $('#next-slot');
/** Drafts that were decided here; the list and the panes held ready leave them out. */
export const decided = new Set();
/** How the draft on screen was read so far. `waiting`: the list ran dry, and whatever comes is shown. */
export const reading = { shownAt: performance.now(), pressedAt: 0, confirmed: undefined, waiting: undefined, opened: new Set() };
let onScreen = review?.firstElementChild;

export const pane = () => $('#decide');
export const narrow = () => matchMedia('(max-width: 819px)').matches;
export const rows = () => $$('#rows .row').filter((row) => !decided.has(row.dataset.id));
export const ready = () => $$('template', slot).filter((t) => t.dataset.next && !decided.has(t.dataset.next));
export const held = (id) => ready().find((t) => t.dataset.next === id);
export const mark = (element, current) => { element.ariaCurrent = current || null; };

/** The row so many steps from the one on screen. */
export function row(step) {
  const list = rows();
  return list[list.findIndex((r) => r.dataset.id === pane()?.dataset.id) + step];
}

export function hide(id, hidden) {
  const line = document.getElementById(`li-${id}`);
  if (line) line.hidden = hidden;
}

/** The next drafts, two deep, that are not held ready yet. */
export const wanted = () => [row(1), row(2)].filter((r) => r && !held(r.dataset.id)).map((r) => r.dataset.id);
const ahead = () => wanted().length && wake();

/** Whether the press came too soon after the draft appeared to be meant for it. */
export const tooSoon = () => reading.pressedAt - reading.shownAt < ARM;

/** For whoever waits until the draft on screen may be decided. */
const arm = () => pane()?.toggleAttribute('data-armed', performance.now() - reading.shownAt > ARM - 2);

/** A draft counts as shown once it was painted: a press before is meant for the one before. */
function armOncePainted() {
  reading.shownAt = Infinity;
  arm();
  requestAnimationFrame(() => setTimeout((painted) => {
    if (painted === onScreen) reading.shownAt = performance.now();
    setTimeout(arm, ARM);
  }, 0, onScreen));
}

/** After any swap: which row is current, where the focus is, what is said. */
function arrived(words) {
  const form = pane(), id = form?.dataset.id, banner = $('#banner[role=alert]', review), title = $('#rv-title', review);
  onScreen = review.firstElementChild;
  armOncePainted();
  Object.assign(reading, { confirmed: form?.elements.pressed_twice?.value === '1', waiting: false, opened: new Set() });
  decided.delete(id);
  hide(id, false);
  $$('#rows .row').forEach((r) => mark(r, r.dataset.id === id));
  $('#rows [aria-current]')?.scrollIntoView({ block: 'nearest' });
  if (form) {
    history.replaceState(null, '', form.dataset.detail);
    document.title = `${title.textContent} · Countersign`;
    if (narrow()) scrollTo(0, 0);
    rove($('.actions', form), 0);
    offerUnsaved(form);
  }
  (banner || title)?.focus({ preventScroll: true });
  if (banner) banner.scrollIntoView({ block: 'nearest' });
  else say(`${words ? `${words} Next:` : $('[data-spoken]', review)?.dataset.spoken ?? ''} ${title?.textContent.trim()}. ${$('.support b', review)?.textContent ?? ''}. ${rows().length} left.`);
}

export function put(content, words) {
  review.replaceChildren(content);
  arrived(words);
}

export function bones() {
  review.replaceChildren(clone($('#skeleton')));
  onScreen = review.firstElementChild;
}

function show(template, words) {
  const content = clone(template);
  template.remove();
  put(content, words);
}

/** Show a row's draft: at once if it is held ready, else when it was fetched. */
export function go(to, words) {
  const template = to && held(to.dataset.id);
  if (template) {
    show(template, words);
    ahead();
  } else if (to) {
    fetchPane(to.getAttribute('href'));
  }
}

/** A draft that is not at hand: the skeleton after a moment, and what was there again if no answer comes. */
function fetchPane(url) {
  const before = review.firstElementChild, late = setTimeout(bones, LATE);
  htmx.ajax('GET', url, { source: '#review', target: '#review', swap: 'innerHTML' }).finally(() => {
    clearTimeout(late);
    if ($('[aria-busy]', review)) put(before);
  });
}

/** A dry slot fills itself, with the words for an empty queue if need be. */
export function fill() {
  const template = reading.waiting && (ready()[0] || $('template[data-next=""]', slot));
  if (template) show(template);
}

if (review) {
  rove($('.actions'), 0);
  setTimeout(arm, ARM);
  if (pane()) offerUnsaved(pane());
  on('keydown click', (event) => { if (event.isTrusted) reading.pressedAt = event.timeStamp; }, window, true);
  on('htmx:afterSwap', () => { // fires for swap=none too
    if (review.firstElementChild === onScreen) return;
    arrived();
    ahead();
  });
}
