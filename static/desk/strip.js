/** The strip of decisions that can still be taken back: it counts down, and takes back. */
import { $, $$, on, say } from './dom.js';
import { pulse, wake } from './pulse.js';

const started = new WeakMap();

export function undo() {
  const button = $('#outbox [data-undo]');
  if (button) button.click();
  else say('Nothing to undo.');
}

function beingSent(item, number) {
  delete item.dataset.left;
  $('form', item).remove();
  $('span', item).firstChild.textContent = 'Being sent ';
  number?.remove();
  setTimeout(wake, 1500);
}

function tick(item) {
  if (!started.has(item)) started.set(item, performance.now());
  const left = item.dataset.left - performance.now() + started.get(item), number = $('b.num', item);
  const words = `${Math.ceil(left / 1000)} s`;
  if (left <= 0) {
    beingSent(item, number);
  } else if (number && number.textContent !== words) {
    number.textContent = words;
    $('circle + circle', item).setAttribute('stroke-dasharray', `${100 * left / item.dataset.hold} 100`);
  }
}

if (pulse) setInterval(() => $$('#outbox li[data-left]').forEach(tick), 250);

on('submit', (event) => {
  const form = event.target, button = event.submitter, decider = $('#decider');
  if (!form.closest('#outbox')) return;
  event.preventDefault();
  button.disabled = true;
  const url = button.getAttribute('formaction') || form.getAttribute('action');
  htmx.ajax('POST', url, { source: decider, target: '#review', swap: 'none', values: { filter: decider.dataset.filter } });
});
