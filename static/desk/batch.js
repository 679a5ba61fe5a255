/** The boxes of the list: chosen for a batch, kept over a pulse that draws the list anew. */
import { $, $$, on, say } from './dom.js';
import { review, row } from './panes.js';

const picked = new Set();

/** Draw the boxes and the button's words again. */
export function redrawChosen() {
  const button = $('#batch button');
  if (!button) return;
  $$('.pickrow').forEach((pick) => { pick.checked = picked.has(pick.value); });
  button.textContent = picked.size ? `Look at ${picked.size} chosen` : button.dataset.label;
}

export function pick(at = row(0), chosen = !picked.has(at?.dataset.id)) {
  if (!at || !$('#batch')) return;
  picked[chosen ? 'add' : 'delete'](at.dataset.id);
  redrawChosen();
  say(`${picked.size} chosen.`);
}

export const unpick = (id) => picked.delete(id);

if (review) on('change', ({ target }) => { if (target.matches('.pickrow')) pick(target.nextElementSibling, target.checked); });
