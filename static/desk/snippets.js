/** Snippets by "/" in the editor: a list box below the text that arrows walk through. Loaded when the first slash is typed. */
import { $, $$, on, say } from './dom.js';

let at = -1, asked = 0; // where the slash stands, which question is the newest

const box = () => $('#snips'), text = () => $('#final'), options = () => $$('[role=option]', box()), chosen = () => $('[aria-selected=true]', box());
const typed = () => text().value.slice(at + 1, text().selectionStart);

/** The last slash before the caret: who types fast is past it when this is loaded. */
export function open() {
  if (document.activeElement !== text()) return; // who left meanwhile wants none
  at = text().value.lastIndexOf('/', text().selectionStart - 1);
  if (!box()) text().insertAdjacentHTML('afterend', '<ul class="snips" id="snips" role="listbox" aria-label="Snippets"></ul>');
  Object.assign(text(), { ariaHasPopup: 'listbox', ariaAutoComplete: 'list' });
  text().setAttribute('aria-controls', 'snips');
  find();
}

function close() {
  at = -1;
  box()?.remove();
  text()?.removeAttribute('aria-activedescendant');
}

async function find() {
  const question = ++asked, url = `${text().form.dataset.save.replace('/edit/', '/snippets/')}?q=${encodeURIComponent(typed())}`;
  const answer = await fetch(url).catch(() => {});
  if (question !== asked || at < 0 || !answer?.ok) return;
  box().innerHTML = await answer.text(); // our own server's rendered list
  point(chosen());
  say(`${options().length} found`);
}

function point(option) {
  options().forEach((one) => { one.ariaSelected = String(one === option); });
  option?.scrollIntoView({ block: 'nearest' });
  text().setAttribute('aria-activedescendant', option?.id ?? '');
}

/** The text instead of the slash and what was typed after it; the browser's own undo takes it back. */
function put(option) {
  const end = text().selectionStart, start = at;
  close();
  text().focus();
  text().setSelectionRange(start, end);
  document.execCommand('insertText', false, option.dataset.text);
}

on('input', ({ target }) => {
  if (at < 0 || target !== text()) return;
  if (text().value[at] !== '/' || text().selectionStart <= at || /\n|\s{2}/.test(typed())) close();
  else find();
});

on('keydown', (event) => {
  if (at < 0 || event.target !== text()) return;
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key], list = options();
  if (step) point(list.at((list.indexOf(chosen()) + step) % list.length));
  else if (event.key === 'Escape') close();
  else if (event.key === 'Enter' && chosen() && !event.ctrlKey && !event.metaKey) put(chosen());
  else return;
  event.preventDefault();
  event.stopPropagation();
}, document, true);

on('mousedown', (event) => {
  const option = event.target.closest('#snips [role=option]');
  if (!option) return;
  event.preventDefault();
  put(option);
});
