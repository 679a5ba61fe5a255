/** The few words that every module of the desk shares. */
export const $ = (selector, root = document) => root.querySelector(selector);
export const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

/** Spoken politely; the same words twice are spoken twice. */
export function say(words) {
  const box = $('#say');
  box.textContent = '';
  requestAnimationFrame(() => { box.textContent = words; });
}

/** Spoken at once: something was refused or lost. */
export const warn = (words) => { $('#alert').textContent = words; };

export const clone = (template) => template.content.cloneNode(true);
export const narrow = () => matchMedia('(max-width: 819px)').matches;
export const token = () => JSON.parse(document.body.getAttribute('hx-headers'))['X-CSRFToken'];

/** A field where letters are text. Radio buttons and check boxes are not. */
export const typing = (element) =>
  element.matches('textarea, select, [contenteditable], input:not([type=radio], [type=checkbox])');
