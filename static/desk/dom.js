/** The few words that every module of the desk shares. */
export const $ = (selector, root = document) => root.querySelector(selector);
export const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
export const on = (names, act, root = document) => names.split(' ').forEach((name) => root.addEventListener(name, act));
export const clone = (template) => template.content.cloneNode(true);
export const warn = (words) => { $('#alert').textContent = words; };

/** Spoken politely; the same words twice are spoken twice. */
export function say(words) {
  $('#say').textContent = '';
  requestAnimationFrame(() => { $('#say').textContent = words; });
}

/** A POST of our own, for what no page waits for. Resolves to the answer, or to undefined without a connection. */
export const post = (url, body, headers) => fetch(url, {
  method: 'POST', body,
  headers: { 'X-CSRFToken': JSON.parse(document.body.getAttribute('hx-headers'))['X-CSRFToken'], 'HX-Request': 'true', ...headers },
}).catch(() => {});
