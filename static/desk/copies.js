/** What was typed and is not saved yet, kept in the browser by person and draft: it survives a crash, a closed tab and a sign-out. */
import { $ } from './dom.js';

const WEEK = 6e8; // ms, about: long enough
const name = (form) => `countersign.${form.dataset.stamp}`;

Object.keys(localStorage).forEach((key) => {
  if (/^countersign/.test(key) && Date.now() - parseInt(localStorage[key]) > WEEK) delete localStorage[key];
});

/** [, when, version, text], or null. */
export const copied = (form) => /^(\d+) (\d+) ([^]*)$/.exec(localStorage[name(form)]);

export function keep(form, text) {
  localStorage[name(form)] = `${Date.now()} ${form.elements.version.value} ${text}`;
}

export function forget(form) {
  delete localStorage[name(form)];
}

/** The server has this text: the copy of it is not needed any more. One of other words stays. */
export function spent(form, text = $('#final', form)?.value) {
  if (copied(form)?.[3] === text) forget(form);
}
