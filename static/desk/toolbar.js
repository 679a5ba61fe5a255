/** One tab stop a toolbar, arrows inside (APG toolbar pattern). */
import { $$, on } from './dom.js';

const stops = (bar) => bar ? $$(':scope > :is(a, button), summary', bar).filter((stop) => stop.offsetParent) : [];

/** Make the stop at `to` the one that Tab reaches. */
export function rove(bar, to) {
  stops(bar).forEach((stop, at) => { stop.tabIndex = at === to ? 0 : -1; });
}

on('keydown', (event) => {
  const bar = event.target.closest?.('[role=toolbar]'), list = stops(bar), at = list.indexOf(event.target);
  const to = { Home: 0, End: list.length - 1, ArrowLeft: at - 1, ArrowRight: at + 1 }[event.key];
  if (!bar || to === undefined) return;
  event.preventDefault();
  rove(bar, (to + list.length) % list.length);
  list.at(to % list.length).focus();
});
