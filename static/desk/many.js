/** The ticks of a list of conversations: all at once, a run of them with Shift, how many; the keys of close, owner, snooze and tags
    go to what is done with them. Only that page loads this. */
import { ACTS } from './acts.js';
import { $, $$, on, say } from './dom.js';

const form = $('#many'), all = $('#all'), boxes = $$('[name=take]');
let last = -1;

function count() {
  const ticked = boxes.filter((box) => box.checked).length;
  $('#ticked').textContent = ticked ? `${ticked} ticked` : '';
  all.checked = ticked === boxes.length;
  all.indeterminate = ticked > 0 && !all.checked;
  return ticked;
}

if (form) {
  all.hidden = false;
  on('click', ({ target, shiftKey }) => {
    if (target === all) for (const box of boxes) box.checked = all.checked;
    const at = boxes.indexOf(target);
    if (at >= 0) {
      if (shiftKey && last >= 0) for (const box of boxes.slice(Math.min(at, last), Math.max(at, last))) box.checked = target.checked;
      last = at;
    }
    if (target === all || at >= 0) say(`${count()} ticked.`);
  });
  for (const place of $$('[data-key]', form)) ACTS[place.dataset.key] = () => (count() ? place.focus() : say('Tick a conversation first.'));
  count(); // ticks come back with the page
}
