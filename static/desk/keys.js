/**
 * Single keys: on, behind Alt, off (WCAG 2.1.4). `event.key` is the printed letter in every layout of Latin letters; a key of
 * another script is the Latin letter of its place, so that nobody has to switch for a decision.
 */
import { $, $$, on } from './dom.js';
import { ACTS } from './acts.js';
import { actOf } from './keymap.js';
import { asking } from './ask.js';
import { open } from './dialogs.js';

const STEPS = { next: 1, prev: -1 };

/** Arrows walk through the palette. */
function inDialog({ key, target }, does) {
  const list = $$('#palette[open] :is(input, li:not([hidden]) > *)'), step = { ArrowDown: 1, ArrowUp: -1 }[key];
  if (step) does(() => list.at((list.indexOf(target) + step) % list.length)?.focus());
}

/** In a text box only Escape and Ctrl Enter are ours. */
function inText({ target }, key, chord, does) {
  if (key === 'escape' && target.id === 'final') $('#rv-title').focus();
  if (key === 'enter' && chord) does(() => target.id === 'final' ? ACTS.approve() : target.form?.requestSubmit());
}

function single(event, key, does) {
  if (key === '?') return does(() => open('keys'));
  if (asking()) return $$('[type=radio], [name=act]', asking())[key - 1]?.click();
  if (key === '/' && $('#f-ch')) return does(() => $('#f-ch').focus());
  if (key >= '1' && key <= '9') return ACTS.source(+key);
  const act = actOf(key), step = STEPS[act], shifted = event.shiftKey && key !== event.key; // "!" is a key of its own
  if (shifted ? step : act) does(() => ACTS[shifted ? 'extend' : act](step));
}

/** A page brings acts of its own in modules that run after this one: no key is heard before them. */
on('DOMContentLoaded', () => on('keydown', (event) => {
  const { target } = event, chord = event.metaKey || event.ctrlKey, mode = document.body.dataset.keys;
  const key = event.key.replace(/^[^\0-\u024f]$/, event.code.at(-1)).toLowerCase();
  const text = target.matches('textarea, select, [contenteditable], input:not([type=radio], [type=checkbox])'), does = (act) => { event.preventDefault(); act(); };
  if (event.isComposing || event.repeat) return;
  if (chord && key === 'k') return does(() => open('palette'));
  if ($('dialog[open]')) return inDialog(event, does);
  if (key === 'escape' && asking()) return ACTS.cancel();
  if (key === 'escape' && !text) $('[data-leave]')?.click();
  if (key === 'enter' && asking()?.contains(target) && (chord || target.matches('input'))) return does(() => $('.ask__act [type=submit]', asking()).click());
  if (text) return inText(event, key, chord, does);
  if (chord || mode === 'off' || event.altKey !== (mode === 'alt')) return;
  single(event, key, does);
}));
