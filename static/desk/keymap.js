/** Which key does what, as this person has them. */
const KEYS = JSON.parse(document.body.dataset.acts || '{}'); // key -> act

export const actOf = (key) => KEYS[key];
/** The key of an act, as it is printed on buttons. */
export const keyOf = (act) => Object.keys(KEYS).find((key) => KEYS[key] === act)?.toUpperCase();
