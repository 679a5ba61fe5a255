/** Every act of the desk by its name: keys, buttons and the palette all come here. */
import { $, on, say } from './dom.js';
import { ask, askHandover, cancel } from './ask.js';
import { edit, original, restore } from './editor.js';
import { go, narrow, pane, reading, review, row } from './panes.js';
import { source, unsourced } from './sources.js';
import { forget } from './copies.js';
import { pick } from './batch.js';
import { undo } from './strip.js';

/** Choose this draft for a batch and step to the next one with it. */
function extend(step) {
  pick(row(0), true);
  if (!row(step)) return;
  pick(row(step), true);
  go(row(step));
}

function move(step, atTheEnd) {
  if (row(step)) go(row(step));
  else say(atTheEnd);
}

export const ACTS = {
  act: () => ask('redraft', 'regenerate', '[name=act]'),
  approve: () => $('#review [data-act=approve]')?.click(), // looked for anew: a practice's pane is replaced when its draft is there
  assist: () => $('[data-act=assist]', review)?.click(),
  cancel,
  changes: () => $('[data-diff]')?.scrollIntoView(),
  edit: () => pane() ? edit() : $('#review [data-key=edit]')?.click(), // in a practice it is a link
  extend,
  focus: () => $('[data-focus]')?.click(),
  forget: () => {
    forget(pane());
    $('.banners', review)?.replaceChildren();
  },
  handover: askHandover,
  next: () => move(1, 'This is the last draft.'),
  original,
  pick: () => pick(),
  prev: () => move(-1, 'This is the first draft.'),
  redraft: () => ask('redraft', 'regenerate'),
  reject: () => ask('reject', 'reject'),
  restore,
  snooze: () => ask('snooze', 'snooze'),
  source,
  timeline: () => $('[data-act=timeline]', review)?.click(),
  undo,
  unsourced,
};

on('htmx:afterSwap', () => { if ($('.act')) import('./action-cards.js'); }); // the assistant beside a draft

/** A click on a citation, a row or a button that is no form's. Returns whether it was one. */
function clicked(near) {
  const act = near('.desk :is([data-act], [data-nav])'), name = act?.dataset.nav || act?.dataset.act, listed = near('.row');
  if (near('.cite')) source(+near('.cite').textContent);
  else if (listed && !narrow()) go(listed);
  else if (act && act.type !== 'submit' && name !== 'timeline' && name !== 'assist' && ACTS[name]) ACTS[name]();
  else return false;
  return true;
}

if (review) on('click', (event) => {
  const near = (selector) => event.target.closest(selector);
  if (near('[data-fill]')) $('#ask-note').value = near('[data-fill]').dataset.fill;
  if (near('.src a')) reading.opened.add(+near('.src').id.slice(4));
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  if (clicked(near)) event.preventDefault();
});
