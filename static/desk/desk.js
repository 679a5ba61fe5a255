/**
 * The desk: one file, because gzip finds its repetitions only inside of one, and what a page loads has a limit.
 * Without it each act is a form or a link.
 */
import { $ } from './dom.js';

const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
const on = (names, act, root = document, early = false) => names.split(' ').forEach((name) => root.addEventListener(name, act, early));
const clone = (template) => template.content.cloneNode(true);
const warn = (words) => { $('#alert').textContent = words; };

/** Spoken politely; the same words twice are spoken twice. */
function say(words) {
  $('#say').textContent = '';
  requestAnimationFrame(() => { $('#say').textContent = words; });
}

/** A POST of our own, for what no page waits for. Resolves to the answer, or to undefined without a connection. */
const post = (url, body, headers) => fetch(url, {
  method: 'POST', body,
  headers: { ...JSON.parse(document.body.getAttribute('hx-headers')), 'HX-Request': true, ...headers },
}).catch(() => {});

/* --- editing in place: the same box, a word diff for the eyes, and a save 800 ms after the last key --- */
const LIMIT = 1200; // words on a side: the comparison costs their product
let timer, saving = Promise.resolve();

const box = () => $('#final');
/** What was typed and is not saved yet, by person and draft: it survives a crash, a closed tab and a sign-out. */
const copyOf = (form) => `countersign.${form.dataset.stamp}`;
const forget = (form) => { delete localStorage[copyOf(form)]; };
const copied = (form) => /^(\d+) (\d+) ([^]*)$/.exec(localStorage[copyOf(form)]); // [, when, version, text]
Object.keys(localStorage).forEach((key) => { // a week is long enough
  if (/^countersign/.test(key) && Date.now() - parseInt(localStorage[key]) > 6e8) delete localStorage[key];
});
const editing = box;
const changed = (form = document) => { const text = $('#final', form); return text && text.value !== text.dataset.original; };

/** The server has this text: the copy of it is not needed any more. One of other words stays. */
const spent = (form, text = $('#final', form)?.value) => { if (copied(form)?.[3] === text) forget(form); };

/** Resolves when no save is under way, so that a decision carries the newest version. */
const settled = () => { clearTimeout(timer); return saving; };

function edit() {
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
    if (copied(form)) restore(); // what is typed now would replace it
  }
  box()?.focus();
}

/** Show the banner of a refusal over the draft, with the text left alone. */
async function refused(answer, form) {
  const text = [403, 409, 412, 423].includes(answer?.status) && await answer.text(), ours = /id="banner"/.test(text);
  if (ours) $('.banners', form).innerHTML = text; // our own server's rendered banner
  if (answer?.status === 401 || (text && !ours)) htmx.trigger('body', 'session-ended'); // or the form's token is another session's
}

const send = (url, form) => post(url, new FormData(form), { 'HX-Target': 'saved' });
const claim = async (form) => refused(await send(form.dataset.claim, form), form);
setInterval(() => { if (changed() && !document.hidden) claim($('#decide')); }, 45000); // a claim lasts two minutes

async function save(form) {
  const sent = $('#final', form)?.value, answer = await send(form.dataset.save, form), note = $('#saved', form);
  if (answer?.ok) {
    spent(form, sent);
    form.elements.version.value = answer.headers.get('X-Version') || form.elements.version.value;
    form.dataset.second = answer.headers.get('X-Second');
  }
  await refused(answer, form);
  if (note) note.textContent = answer?.ok ? `Saved ${answer.headers.get('X-Saved')}` : 'Not saved, kept here';
}

/** Put a text into the box so that the browser's own undo takes it back. */
function retype(text, words) {
  edit();
  box().select();
  document.execCommand('insertText', false, text);
  say(`${words} Ctrl Z undoes.`);
}

const original = () => retype(box().dataset.original, 'The original text is back.');
function restore() {
  const form = $('#decide'), [, , version, text] = copied(form);
  $('.banners', form).replaceChildren();
  retype(text, 'What you typed is back.');
  form.elements.version.value = version; // if somebody saved since, both texts are shown
}

on('input', ({ target }) => {
  if (target.id !== 'final') return;
  draw(target.form, target.dataset.original, target.value);
  localStorage[copyOf(target.form)] = `${Date.now()} ${target.form.elements.version.value} ${target.value}`;
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

/* --- the strip of decisions that can still be taken back, and the pulse that keeps an open page true --- */
const pulse = $('#pulse'), started = new WeakMap();
let missed = 0;

const wake = () => pulse && htmx.trigger(pulse, 'wake');
const offline = () => missed > 1 || !navigator.onLine;
const undo = () => { const button = $('#outbox [data-undo]'); if (button) button.click(); else say('Nothing to undo.'); };

if (pulse) setInterval(() => {
  for (const item of $$('#outbox li[data-left]')) {
    if (!started.has(item)) started.set(item, performance.now());
    const left = item.dataset.left - performance.now() + started.get(item), number = $('b.num', item), words = `${Math.ceil(left / 1000)} s`;
    if (left <= 0) {
      delete item.dataset.left;
      $('form', item).remove();
      $('span', item).firstChild.textContent = 'Being sent ';
      number?.remove();
      setTimeout(wake, 1500);
    } else if (number && number.textContent !== words) {
      number.textContent = words;
      $('circle + circle', item).setAttribute('stroke-dasharray', `${100 * left / item.dataset.hold} 100`);
    }
  }
}, 250);

on('submit', (event) => {
  const form = event.target, button = event.submitter;
  if (!form.closest('#outbox')) return;
  event.preventDefault();
  button.disabled = true;
  htmx.ajax('POST', button.getAttribute('formaction') || form.getAttribute('action'), { source: '#decider', target: '#review', swap: 'none', values: { filter: $('#decider').dataset.filter } });
});

/** Put a standing note over the draft: no connection, or signed out. */
const note = (id) => { const place = $('#decide .banners'); if (place && !$(`[data-${id}]`, place)) place.replaceChildren(clone($(`#banner-${id}`))); };

function live() {
  const dot = $('#live'), off = offline();
  dot.dataset.state = off ? 'offline' : 'ok';
  if (dot.textContent !== (off ? 'Offline' : 'Live')) dot.textContent = off ? 'Offline' : 'Live';
  if (off) note('offline'); else $('[data-offline]')?.remove();
}

on('offline', live, window);
on('online', () => { missed = 0; wake(); live(); }, window);
on('visibilitychange', () => document.hidden || wake());
on('click', (event) => { if (event.target.closest('[data-act=check]')) wake(); });
on('session-ended', () => { note('session'); warn('Your session ended.'); });
on('htmx:afterRequest', ({ detail }) => {
  if (detail.elt !== pulse) return;
  missed = detail.successful ? 0 : missed + 1;
  pulse.dataset.since = detail.xhr.getResponseHeader('X-Since') || pulse.dataset.since;
  live();
});

/* --- the review pane: the next draft is shown from the page itself, and decisions are sent behind it --- */
const ARM = 350; // ms on screen before a draft can be decided: a double tap must not decide the next one
const DEPTH = 2; // panes kept ready
const review = $('#review'), slot = $('#next-slot');
const decided = new Set(), flights = new Map(); // flights: the panes of decisions that the server has not answered yet
let shownAt = performance.now(), pressedAt = 0, confirmed, waiting, opened = new Set(), onScreen = review?.firstElementChild;

const pane = () => $('#decide');
const narrow = () => matchMedia('(max-width: 819px)').matches;
const rows = () => $$('#rows .row').filter((row) => !decided.has(row.dataset.id));
const row = (step) => { const list = rows(); return list[list.findIndex((r) => r.dataset.id === pane()?.dataset.id) + step]; };
const ready = () => $$('template', slot).filter((t) => t.dataset.next && !decided.has(t.dataset.next));
const held = (id) => ready().find((t) => t.dataset.next === id);
const hide = (id, hidden) => { const line = document.getElementById(`li-${id}`); if (line) line.hidden = hidden; };
const mark = (element, current) => { element.ariaCurrent = current || null; };
const stops = (bar) => bar ? $$(':scope > :is(a, button), summary', bar).filter((stop) => stop.offsetParent) : [];
const rove = (bar, to) => stops(bar).forEach((stop, at) => { stop.tabIndex = at === to ? 0 : -1; });
const wanted = () => [row(1), row(2)].filter((r) => r && !held(r.dataset.id)).map((r) => r.dataset.id);
const ahead = () => wanted().length && wake();

/** For whoever waits until the draft on screen may be decided. */
const arm = () => pane()?.toggleAttribute('data-armed', performance.now() - shownAt > ARM - 2);

/** After any swap: which row is current, where the focus is, what is said. */
function arrived(words) {
  const form = pane(), id = form?.dataset.id, banner = $('#banner[role=alert]', review), title = $('#rv-title', review);
  onScreen = review.firstElementChild;
  shownAt = Infinity; // a press that comes before the paint is meant for the draft before
  arm();
  requestAnimationFrame(() => setTimeout((painted) => {
    if (painted === onScreen) shownAt = performance.now();
    setTimeout(arm, ARM);
  }, 0, onScreen));
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
    unsaved(form);
  }
  (banner || title)?.focus({ preventScroll: true });
  if (banner) banner.scrollIntoView({ block: 'nearest' });
  else say(`${words ? `${words} Next: ` : ''}${title?.textContent.trim()}. ${$('.support b', review)?.textContent ?? ''}. ${rows().length} left.`);
}

/** What was typed here and never reached the server is offered again. */
function unsaved(form) {
  const place = $('.banners', form);
  if (copied(form) && !editing() && !place.firstElementChild) place.replaceChildren(clone($('#banner-kept')));
}

function put(content, words) {
  review.replaceChildren(content);
  arrived(words);
}

function bones() {
  review.replaceChildren(clone($('#skeleton')));
  onScreen = review.firstElementChild;
}

function show(template, words) {
  const content = clone(template);
  template.remove();
  put(content, words);
}

function go(to, words) {
  const template = to && held(to.dataset.id);
  if (template) { show(template, words); ahead(); } else if (to) fetchPane(to.getAttribute('href'));
}

/** A draft that is not at hand: the skeleton after a moment, and what was there again if no answer comes. */
function fetchPane(url) {
  const before = review.firstElementChild, late = setTimeout(bones, 150);
  htmx.ajax('GET', url, { source: '#review', target: '#review', swap: 'innerHTML' }).finally(() => {
    clearTimeout(late);
    if ($('[aria-busy]', review)) put(before);
  });
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
  if (decided.has(id) || (final && pressedAt - shownAt < ARM) || (act === 'approve' && mustConfirm(form, button))) return;
  const url = button.getAttribute('formaction') || form.getAttribute('action'), data = new FormData(form, button);
  const values = Object.fromEntries([...data.keys()].map((key) => [key, data.getAll(key)]));
  Object.assign(values, { pressed_twice: confirmed ? '1' : '', viewed_ms: Math.round(performance.now() - shownAt), sources_opened: opened.size });
  const ask = { source: '#decider', target: '#review', swap: final ? 'none' : 'innerHTML', values };
  if (!final) { button.disabled = true; await settled(); values.version = data.getAll('version').at(-1); return htmx.ajax('POST', url, ask); } // the answer is this pane again
  const next = row(1) || row(-1), words = `${DONE[act]}: ${form.dataset.who}. ${act === 'approve' ? `${Object.keys(KEYS).find((k) => KEYS[k] === 'undo').toUpperCase()} to undo.` : ''}`;
  decided.add(id);
  flights.set(id, form);
  hide(id, true);
  if (!next || !held(next.dataset.id)) {
    waiting = !next;
    bones();
    say(words);
  }
  go(next, words);
  if (act !== 'approve' && changed(form)) saving = saving.then(() => save(form)); // an approval carries the text itself
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
  if (editing()) {
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

/** The boxes of the list: chosen for a batch, kept over a pulse that draws the list anew. */
const picked = new Set();
function tell() {
  const button = $('#batch button');
  if (!button) return;
  $$('.pickrow').forEach((pick) => { pick.checked = picked.has(pick.value); });
  button.textContent = picked.size ? `Look at ${picked.size} chosen` : button.dataset.label;
}
function pick(at = row(0), on = !picked.has(at?.dataset.id)) {
  if (!at || !$('#batch')) return;
  picked[on ? 'add' : 'delete'](at.dataset.id);
  tell();
  say(`${picked.size} chosen.`);
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

const asking = () => $('[data-ask] [data-slot=ask]');
const ACTS = {
  edit, original, undo, source, unsourced,
  approve: () => $('[data-act=approve]', review)?.click(),
  reject: ask('reject', 'reject'),
  redraft: ask('redraft', 'regenerate'),
  snooze: ask('snooze', 'snooze'),
  cancel: () => { asking().remove(); $('#rv-title').focus(); },
  pick: () => pick(),
  restore,
  forget: () => { forget(pane()); $('.banners', review).replaceChildren(); },
  extend: (step) => { pick(row(0), true); if (row(step)) { pick(row(step), true); go(row(step)); } },
  changes: () => $('[data-diff]')?.scrollIntoView(),
  focus: () => $('[data-focus]')?.click(),
  handover: () => { if ($('.actions [data-act=handover]', review)) htmx.ajax('GET', pane().dataset.save.replace('/edit/', '/handover/'), { source: '#decider', target: '[data-ask]', swap: 'innerHTML' }).then(() => $('#ask-to')?.focus()); },
  timeline: () => { if (pane()) location.assign(pane().dataset.timeline); },
  next: () => row(1) ? go(row(1)) : say('This is the last draft.'),
  prev: () => row(-1) ? go(row(-1)) : say('This is the first draft.'),
};

if (review) {
  rove($('.actions'), 0);
  setTimeout(arm, ARM);
  if (pane()) unsaved(pane());
  on('keydown click', (event) => { if (event.isTrusted) pressedAt = event.timeStamp; }, window, true);
  on('change', ({ target }) => { if (target.matches('.pickrow')) pick(target.nextElementSibling, target.checked); });
  on('submit', (event) => {
    if (event.target !== pane()) return;
    event.preventDefault();
    decide(event.target, event.submitter ?? $('[data-act=approve]'));
  });
  on('click', (event) => {
    const near = (selector) => event.target.closest(selector), act = near('.desk :is([data-act], [data-nav])'), cite = near('.cite'), listed = near('.row');
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
    if (detail.elt.id === 'pulse') Object.assign(detail.parameters, { since: detail.elt.dataset.since, want: wanted().join(), draft: pane()?.dataset.id ?? '', room: $('.room', review)?.dataset.room ?? '', rows: $$('#rows .row').length, filter: $('#decider').dataset.filter });
  });
  on('htmx:beforeSwap', (event) => {
    const { detail } = event, id = flight(event), ours = detail.xhr.getResponseHeader('HX-Retarget');
    if (!id || detail.xhr.status < 400) return;
    if (editing() || !ours) detail.shouldSwap = false;
    comeBack(id, ours && detail.xhr.responseText);
  });
  on('htmx:afterSwap', () => { if (review.firstElementChild !== onScreen) { arrived(); ahead(); } }); // fires for swap=none too
  on('htmx:oobAfterSwap', ({ detail }) => {
    if (detail.target.id.startsWith('banners-')) block($('.banner[role=alert]', detail.target));
    decided.forEach((id) => { hide(id, true); picked.delete(id); });
    tell();
    fill();
  });
  on('htmx:afterRequest', (event) => {
    const id = flight(event);
    if (!id || !event.detail.successful) return;
    if (event.detail.pathInfo.requestPath.includes('approve')) spent(flights.get(id));
    flights.delete(id);
  });
  on('htmx:responseError htmx:sendError htmx:timeout', (event) => {
    const id = flight(event);
    if (id) comeBack(id);
  });
}

/* --- every page: theme, dialogs, menus, single keys --- */
const root = document.documentElement, body = document.body;
const KEYS = JSON.parse(body.dataset.acts || '{}'); // key: act, as this person has them
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
  if ($('dialog[open]')) {
    const list = $$('#palette[open] :is(input, li:not([hidden]) > *)'), step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && list.length) does(() => list.at((list.indexOf(target) + step) % list.length).focus());
    return;
  }
  if (key === 'escape' && asking()) return ACTS.cancel();
  if (key === 'escape' && !text) $('[data-leave]')?.click();
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
  const act = KEYS[key], step = { next: 1, prev: -1 }[act], shifted = event.shiftKey && key !== event.key; // "!" is a key of its own
  if (shifted ? step : act) does(() => ACTS[shifted ? 'extend' : act](step));
});
