// What all parts of the page's script share: finding elements, texts, and what is said to the reader.

export const one = (selector, within = document) => within.querySelector(selector);
export const all = (selector, within = document) => [...within.querySelectorAll(selector)];

/** A text of the page by its key, in the reader's language; `{n}` and the like are filled in. */
export function text(key, values = {}) {
  const found = one("#texts")?.content.querySelector(`[data-text="${key}"]`)?.textContent ?? "";
  return found.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

export function announce(words) {
  one("#announcer").textContent = words;
}

export function complain(words) {
  quiet();
  one("main").prepend(alertOf(words));
}

/** Say that an answer was refused; it stands there until the reader closes it. */
export function complainForGood(words, link) {
  const problem = alertOf(words);
  problem.classList.add("refused");
  if (link) problem.append(" ", Object.assign(document.createElement("a"), link));
  const close = Object.assign(document.createElement("button"), { type: "button", textContent: text("close") });
  close.addEventListener("click", () => problem.remove());
  problem.append(" ", close);
  one("main").prepend(problem);
}

function alertOf(words) {
  const problem = Object.assign(document.createElement("p"), { className: "problem", textContent: words });
  problem.setAttribute("role", "alert");
  return problem;
}

/** Take away what was said before. */
export function quiet() {
  one(".problem:not(.refused)")?.remove();
  one(".done")?.remove();
}

/** A random key of a key press. */
export function newStroke() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

export const backToItem = () => one("[data-focus]")?.focus({ preventScroll: true });

export const isTyping = (element) =>
  element?.matches("select, textarea, input:not([type=checkbox]):not([type=file])") ?? false;

export function replacePicture(image) {
  const instead = Object.assign(document.createElement("span"), { className: "no-picture", textContent: text("no-picture") });
  image.replaceWith(instead);
}
