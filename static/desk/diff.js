/** Word differences while somebody types: what was taken out and what was put in. */
import { $ } from './dom.js';

const LIMIT = 1200; // words on a side: the comparison costs their product
const SHOWN = 8; // words on either side of a long unchanged passage

const words = (text) => text.match(/\s+|\S+/g) || [];

/** How long the longest common sequence of every two remainders of `a` and `b` is. */
function lengths(a, b) {
  const common = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
  for (let i = a.length; i--;) {
    for (let j = b.length; j--;) {
      common[i][j] = a[i] === b[j] ? common[i + 1][j + 1] + 1 : Math.max(common[i + 1][j], common[i][j + 1]);
    }
  }
  return common;
}

/** [[kept, taken out, put in], ...] by the longest common sequence; edits a word apart are one, for people. */
function diff(a, b) {
  const n = a.length, m = b.length, common = lengths(a, b), out = [['', '', '']];
  for (let i = 0, j = 0; i < n || j < m;) {
    let run = 0, kept = '';
    while (i + run < n && a[i + run] === b[j + run]) kept += a[i + run++];
    const last = out.at(-1), atEnd = i + run === n && j + run === m;
    if (run && (run > 3 || !(last[1] || last[2]) || atEnd)) {
      out.push([kept, '', '']);
    } else {
      last[1] += kept;
      last[2] += kept;
    }
    i += run;
    j += run;
    if (j < m && (i >= n || common[i][j + 1] > common[i + 1][j])) out.at(-1)[2] += b[j++];
    else if (i < n) out.at(-1)[1] += a[i++];
  }
  return out;
}

const count = (text) => text.split(/\s+/).filter(Boolean).length;

function shortened(kept) {
  const parts = words(kept);
  return parts.length < 20 ? kept : `${parts.slice(0, SHOWN).join('')} … ${parts.slice(-SHOWN).join('')}`;
}

function marked(kind, text) {
  const node = document.createElement(kind);
  node.textContent = text;
  return text ? [node] : [];
}

/** Draw what `after` changes in `before` into the form's own places. */
export function draw(form, before, after) {
  const a = words(before), b = words(after), box = $('[data-diff]', form);
  if (Math.max(a.length, b.length) > LIMIT) {
    box.textContent = 'Too long to compare while typing.';
    return;
  }
  const found = diff(a, b);
  box.replaceChildren(...found.flatMap(([kept, out, into]) => [shortened(kept), ...marked('del', out), ...marked('ins', into)]));
  const total = (at) => found.reduce((sum, part) => sum + count(part[at]), 0);
  $('[data-counts]', form).textContent = `${total(1)} words out, ${total(2)} in`;
}
