/** The pulse keeps an open page true, and tells whether there is a connection at all. */
import { $, clone, on, warn } from './dom.js';

export const pulse = $('#pulse');
let missed = 0;

export const wake = () => pulse && htmx.trigger(pulse, 'wake');
export const offline = () => missed > 1 || !navigator.onLine;

/** Put a standing note over the draft: no connection, or signed out. */
function note(id) {
  const place = $('#decide .banners');
  if (place && !$(`[data-${id}]`, place)) place.replaceChildren(clone($(`#banner-${id}`)));
}

function show() {
  const dot = $('#live'), off = offline(), words = off ? 'Offline' : 'Live';
  dot.dataset.state = off ? 'offline' : 'ok';
  if (dot.textContent !== words) dot.textContent = words;
  if (off) note('offline');
  else $('[data-offline]')?.remove();
}

on('offline', show, window);
on('online', () => {
  missed = 0;
  wake();
  show();
}, window);
on('visibilitychange', () => document.hidden || wake());
on('click', ({ target }) => { if (target.closest('[data-act=check]')) wake(); });
on('session-ended', () => {
  note('session');
  warn('Your session ended.');
});
on('htmx:afterRequest', ({ detail }) => {
  if (detail.elt !== pulse) return;
  missed = detail.successful ? 0 : missed + 1;
  pulse.dataset.since = detail.xhr.getResponseHeader('X-Since') || pulse.dataset.since;
  show();
});
