/** News of the account reach an open page: one stream for all tabs of a browser, shared over a channel. */
import { $ } from './dom.js';

const { live, account } = document.body.dataset;
const EVERY = 1000; // ms between two looks in the long run; three come at once: a message and its draft are two news
let next = 0, due, pause = 1000;

function look() {
  due = 0;
  next = Math.max(next, performance.now()) + EVERY;
  if ($('#pulse')) htmx.trigger('#pulse', 'wake');
  htmx.trigger(document.body, 'live');
}

/** "own" is news that this very person made: the page in which they are acting shows it already. */
function heard(word) {
  if (due || document.hidden || (word === 'own' && navigator.userActivation?.isActive)) return;
  due = setTimeout(look, Math.max(Math.random() * 150, next - 2 * EVERY - performance.now()));
}

function open(tell) {
  const source = new EventSource(live);
  source.onopen = () => {
    if (performance.now() > 2000) tell('news'); // what happened since the page was made, while there was no stream
    pause = 1000;
  };
  source.onmessage = ({ data }) => tell(data);
  source.onerror = () => {
    if (source.readyState !== EventSource.CLOSED) return; // else the browser comes back by itself
    setTimeout(open, pause * (1 + Math.random()), tell);
    pause = Math.min(pause * 2, 60_000);
  };
}

if (live) {
  const name = `live ${account}`, air = new BroadcastChannel(name);
  const tell = (word) => { heard(word); air.postMessage(word); };
  air.onmessage = ({ data }) => heard(data);
  document.addEventListener('visibilitychange', () => heard('news'));
  // A browser has six connections a host: whoever holds the lock holds the stream.
  if (navigator.locks) navigator.locks.request(name, () => new Promise(() => { open(tell); }));
  else open(tell);
}
