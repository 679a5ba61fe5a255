/** The strip of decisions that can still be taken back, and the pulse that keeps an open page true. */
import { $, $$, clone, on, say, warn } from './dom.js';

const pulse = $('#pulse'), started = new WeakMap();
let missed = 0;

export const wake = () => pulse && htmx.trigger(pulse, 'wake');
export const offline = () => missed > 1 || !navigator.onLine;
export const undo = () => { const button = $('#outbox [data-undo]'); if (button) button.click(); else say('Nothing to undo.'); };

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
