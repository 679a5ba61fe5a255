/** The word that every module of the desk shares. */
export const $ = (selector, root = document) => root.querySelector(selector);
