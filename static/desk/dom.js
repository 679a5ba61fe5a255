/** What every module of the desk says often: finding, listening, speaking, posting. */

/** Nothing is found in what is not there: most pages have no draft to review. */
export const $ = (selector, root = document) => root?.querySelector(selector);
export const $$ = (selector, root = document) => [...root?.querySelectorAll(selector) ?? []];
export const clone = (template) => template.content.cloneNode(true);

/** Listen to one or more events, named with spaces between; `early` hears them before the page does. */
export function on(names, act, root = document, early = false) {
  names.split(' ').forEach((name) => root.addEventListener(name, act, early));
}

/** Spoken politely; the same words twice are spoken twice. */
export function say(words) {
  $('#say').textContent = '';
  requestAnimationFrame(() => { $('#say').textContent = words; });
}

/** Spoken at once. */
export function warn(words) {
  $('#alert').textContent = words;
}

/** A POST that no page waits for. Resolves to the answer, or to undefined without a connection. */
export function post(url, body, headers) {
  const ours = JSON.parse(document.body.getAttribute('hx-headers'));
  return fetch(url, { method: 'POST', body, headers: { ...ours, 'HX-Request': true, ...headers } }).catch(() => {});
}
