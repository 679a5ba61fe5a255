/** The strip of decisions that can still be taken back, its countdown, and the pulse that keeps the page true. */
import { $, $$, clone, say, warn } from './dom.js';

const TICK = 250;
const started = new WeakMap();
let missed = 0;
const pulse = $('#pulse');

export const wake = () => pulse && htmx.trigger(pulse, 'wake');
export const offline = () => missed > 1 || !navigator.onLine;

function tick() {
  for (const item of $$('#outbox li[data-left]')) {
    if (!started.has(item)) started.set(item, performance.now());
    const left = +item.dataset.left - (performance.now() - started.get(item)), hold = +item.dataset.hold;
    if (hold >= 3600000) continue;
    const number = $('b.num', item);
    if (left <= 0) { delete item.dataset.left; $('span', item).textContent = 'Sending'; $('form', item)?.remove(); setTimeout(wake, 1500); continue; }
    const words = `${Math.ceil(left / 1000)} s`;
    if (number && number.textContent !== words) {
      number.textContent = words;
      $('circle + circle', item)?.setAttribute('stroke-dasharray', `${Math.round(100 * left / hold)} 100`);
    }
  }
}
if ($('#outbox')) setInterval(tick, TICK);

/** Take back the newest decision that can be: the first Undo on the strip. */
export function undo() {
  const button = $('#outbox [data-undo]');
  if (button) button.click(); else say('Nothing to undo.');
}

document.addEventListener('submit', (event) => {
  if (!event.target.closest('#outbox')) return;
  event.preventDefault();
  const button = event.submitter, form = event.target;
  const url = button?.getAttribute('formaction') || form.getAttribute('action');
  for (const b of $$('button', form)) b.disabled = true;
  htmx.ajax('POST', url, { source: '#decider', target: '#review', swap: 'none', values: { ...Object.fromEntries(new FormData(form)), filter: $('#decider').dataset.filter } });
});

function live(words) {
  const dot = $('#live');
  const state = offline() ? 'offline' : 'ok';
  if (dot && dot.dataset.state !== state) { dot.dataset.state = state; dot.textContent = state === 'ok' ? 'Live' : 'Offline'; }
  const banners = $('#decide .banners');
  if (offline() && banners && !$('.banner', banners)) banners.replaceChildren(clone($('#banner-offline')));
  if (!offline()) $('[data-offline]')?.remove();
  if (words) warn(words);
}
addEventListener('offline', () => live('No connection. Decisions wait until you are back.'));
addEventListener('online', () => { missed = 0; live(); wake(); });
document.addEventListener('click', (event) => { if (event.target.closest('[data-act=check]')) { missed = 0; wake(); } });
document.addEventListener('visibilitychange', () => { if (!document.hidden) wake(); });
document.body.addEventListener('session-ended', () => {
  const banners = $('#decide .banners');
  if (banners) banners.replaceChildren(clone($('#banner-session')));
  warn('Your session ended. Your text is still here; sign in to go on.');
});

document.body.addEventListener('htmx:afterRequest', (event) => {
  if (event.detail.elt !== pulse) return;
  missed = event.detail.successful ? 0 : missed + 1;
  const since = event.detail.xhr.getResponseHeader('X-Since');
  if (since) pulse.dataset.since = since;
  live();
});
