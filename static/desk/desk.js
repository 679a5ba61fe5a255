/** Everything here is enhancement: each action is a real form button or link without it. */
import './shell.js';
import './review.js';
import './keys.js';
