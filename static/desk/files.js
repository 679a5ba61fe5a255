/** Files that are dropped on a draft, or pasted into it, go the way of the form that attaches. Loaded with the first of them. */
import { $ } from './dom.js';
import { settled } from './editor.js';

export async function attach(files) {
  const field = $('.attach input[type=file]'), carried = new DataTransfer();
  for (const file of files) carried.items.add(file);
  await settled(); // what was typed is saved first
  field.files = carried.files;
  field.form.requestSubmit();
}
