/** Cards of proposed actions: a button is armed when the card was seen, and focus stays on the card that was pressed. */
import { $, $$, say } from './dom.js';

const SEEN = 350;

/** Shown whole, or its end if it is taller than the screen, for long enough; then it may be confirmed. */
function arm(card) {
  const button = $('[data-confirm]', card), why = $('.act__scroll', card), shown = { at: 0 };
  if (!button || card.dataset.armed) return;
  card.dataset.armed = '0';
  button.ariaDisabled = 'true';
  const look = new IntersectionObserver(([entry]) => {
    const whole = entry.intersectionRatio >= 0.98 || entry.boundingClientRect.bottom <= innerHeight;
    clearTimeout(shown.timer);
    why.hidden = whole;
    if (!whole) return;
    shown.at ||= performance.now();
    shown.timer = setTimeout(() => {
      button.ariaDisabled = null;
      card.dataset.armed = '1';
      look.disconnect();
    }, SEEN);
  }, { threshold: [0, 0.5, 0.98, 1] });
  look.observe(card);
  card.addEventListener('submit', (event) => {
    if (event.submitter === button && button.ariaDisabled === 'true') {
      event.preventDefault();
      event.stopImmediatePropagation();
      return say(why.textContent);
    }
    $('[name=seen_ms]', card).value = Math.round(performance.now() - (shown.at || performance.now()));
  }, { capture: true });
}

const all = () => $$('.act[data-arm]').forEach(arm);
all();
new MutationObserver(all).observe(document.body, { childList: true, subtree: true });

document.body.addEventListener('htmx:afterSwap', () => {
  const pressed = document.activeElement;
  if (pressed && pressed !== document.body) return;
  const title = last && $(`#${last}-t`);
  if (!title) return;
  title.focus();
  say(`${$(`#${last}-s`).textContent}. ${title.textContent}`);
});

let last = '';
document.body.addEventListener('htmx:beforeRequest', (event) => {
  last = event.target.closest('.act')?.id ?? '';
});
