/** Keys of a conversation's page: each presses what bears its act there, a menu or a button. Only that page loads this. */
import { ACTS } from './acts.js';
import { $ } from './dom.js';

/** A menu may stand in another one, which opens with it. */
function press(place) {
  const menu = place?.closest('details'), outer = menu?.parentElement.closest('details');
  if (outer) outer.open = true;
  place?.click();
  if (menu?.open) $('input:not([type=hidden]), textarea, select', menu)?.focus();
}

for (const act of Object.values(JSON.parse(document.body.dataset.acts))) {
  const place = $(`[data-key=${act}]`);
  if (place || !ACTS[act]) ACTS[act] = () => press(place);
}
