/** Second factors: copying a key, and saying in words when a passkey did not work. Without it every act is a form, and codes can be typed. */
const say = (words) => { const box = document.querySelector('#factor-say'); if (box) { box.textContent = words; box.hidden = !words; } };

document.addEventListener('click', async (event) => {
  const copy = event.target.closest('[data-copy]');
  if (!copy) return;
  await navigator.clipboard.writeText(document.getElementById(copy.dataset.copy).value);
  const words = copy.querySelector('span');
  const before = words.textContent;
  words.textContent = 'Copied';
  setTimeout(() => { words.textContent = before; }, 2000);
});

document.addEventListener('allauth.error', (event) => {
  event.preventDefault();
  const name = event.detail.exception?.name;
  say(name === 'NotAllowedError'
    ? 'The passkey was not used: it was cancelled, or took too long. Nothing was changed; try again.'
    : name === 'InvalidStateError'
      ? 'This device has a passkey of yours already. Nothing was changed.'
      : 'The passkey did not work here. Nothing was changed; try again, or use another way.');
});
