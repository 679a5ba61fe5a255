/** Reject, redraft and snooze ask one thing first; the questions are the same for every draft. */
import { $, $$, clone } from './dom.js';
import { pane, review } from './panes.js';

const urlOf = (verb) => pane().dataset.save.replace('/edit/', `/${verb}/`);
const offers = (act) => $(`.actions [data-act=${act}]`, review);

/** The question that is open, if one is. */
export const asking = () => $('[data-ask] [data-slot=ask]');

export function ask(kind, verb, first = 'input') {
  const area = $('[data-ask]', review), template = $(`#ask-${kind}`);
  if (!template || !offers(kind)) return;
  area.replaceChildren(clone(template));
  $$('[type=submit]', area).forEach((button) => button.setAttribute('formaction', urlOf(verb)));
  area.scrollIntoView({ block: 'nearest' });
  $(first, area).focus();
}

/** To whom: the colleagues are asked of the server. */
export async function askHandover() {
  if (!offers('handover')) return;
  await htmx.ajax('GET', urlOf('handover'), { source: '#decider', target: '[data-ask]', swap: 'innerHTML' });
  $('#ask-to')?.focus();
}

export function cancel() {
  asking().remove();
  $('#rv-title').focus();
}
