/** From a statement to its source, and to the statements that have none. */
import { $$, say } from './dom.js';
import { mark, reading, review } from './panes.js';

let last = -1;

export function source(n) {
  const card = document.getElementById(`src-${n}`);
  if (!card) return;
  reading.opened.add(n);
  $$('.src, .cite', review).forEach((e) => mark(e, e === card || e.getAttribute('href') === `#src-${n}`));
  card.scrollIntoView({ block: 'nearest' });
  say(`Source ${n}. ${card.innerText.slice(0, 180)}`);
}

export function unsourced() {
  const all = $$('.unsourced', review), found = all[last = (last + 1) % (all.length || 1)];
  found?.scrollIntoView({ block: 'center' });
  say(found ? `No source: ${found.textContent}` : 'Every statement has a source.');
}
