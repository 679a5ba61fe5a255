/** The desk. Without it each act is a form or a link. */
import './decide.js';
import './dialogs.js';
import './keys.js';
import './strip.js';
