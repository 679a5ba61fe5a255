/** A word diff for the eyes while typing. The server's operations are the record. */
const LIMIT = 1200; // tokens on a side: the table below costs their product
const words = (text) => text.match(/\s+|[^\s]+/g) || [];

/** [['=' | '-' | '+', text], ...] or null when the texts are too long to compare in a key stroke. */
export function diff(before, after) {
  const a = words(before), b = words(after), n = a.length, m = b.length;
  if (n > LIMIT || m > LIMIT) return null;
  const common = Array.from({ length: n + 1 }, () => new Uint16Array(m + 1));
  for (let i = n; i--;) for (let j = m; j--;) common[i][j] = a[i] === b[j] ? common[i + 1][j + 1] + 1 : Math.max(common[i + 1][j], common[i][j + 1]);
  const out = [];
  let i = 0, j = 0;
  while (i < n || j < m) {
    const kind = i < n && j < m && a[i] === b[j] ? '=' : j < m && (i >= n || common[i][j + 1] > common[i + 1][j]) ? '+' : '-';
    const text = kind === '+' ? b[j++] : kind === '-' ? a[i++] : (j++, a[i++]);
    const last = out.at(-1);
    if (last && last[0] === kind) last[1] += text; else out.push([kind, text]);
  }
  return out;
}

const short = (text, first, last) => {
  const parts = words(text);
  if (parts.length <= 18) return text;
  return (first ? '' : parts.slice(0, 8).join('')) + ' … ' + (last ? '' : parts.slice(-8).join(''));
};

/** Fill `box` with the diff and answer how many words went out and in. */
export function draw(box, before, after) {
  const ops = diff(before, after);
  const count = (kind) => ops.filter(([k]) => k === kind).reduce((sum, [, text]) => sum + text.split(/\s+/).filter(Boolean).length, 0);
  if (!ops) { box.textContent = 'Too long to compare while typing; it is compared when you save.'; return ''; }
  if (ops.every(([kind]) => kind === '=')) { box.textContent = 'Nothing changed yet.'; return ''; }
  box.replaceChildren(...ops.map(([kind, text], at) => {
    if (kind === '=') return document.createTextNode(short(text, at === 0, at === ops.length - 1));
    const node = document.createElement(kind === '+' ? 'ins' : 'del');
    node.textContent = text;
    return node;
  }));
  return `${count('-')} words out, ${count('+')} in`;
}
