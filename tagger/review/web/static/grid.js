// The grid: what was on the screen, with its picture, is what a button speaks of.

import { all, one, replacePicture, text } from "./dom.js";

const MOSTLY = 0.75; // of a card, for it to be on the screen
const seen = new Set(); // positions, as the form has them
const visible = new Set();
let watcher = null;
let lastMarked = null;

/** The positions that were on the screen. */
export const seenPositions = () => [...seen].join(",");

/** Begin anew with the cards that are shown. */
export function watchCards() {
  lastMarked = null;
  watcher?.disconnect();
  seen.clear();
  visible.clear();
  const bar = one(".sticky");
  const covered = bar && getComputedStyle(bar).position === "sticky" ? bar.offsetHeight : 0;
  watcher = new IntersectionObserver(look, { threshold: MOSTLY, rootMargin: `-${covered}px 0px 0px 0px` });
  restoreSize();
  for (const card of all(".card")) watcher.observe(card);
  for (const image of all("img[data-picture]")) if (image.complete && !image.naturalWidth) replacePicture(image);
  count();
}

function look(entries) {
  for (const { target, intersectionRatio } of entries) {
    if (intersectionRatio >= MOSTLY) visible.add(target);
    else visible.delete(target);
    see(target);
  }
  count();
}

function see(card) {
  const image = one("img", card);
  const box = one("input", card); // cards of other views have none
  if (box && visible.has(card) && image?.complete && image.naturalWidth) seen.add(box.value);
}

function count() {
  const rest = one("[data-rest]");
  if (!rest) return;
  const marked = all(".card input:checked");
  for (const box of marked) seen.add(box.value); // who marks it has looked
  const left = seen.size - marked.length;
  const { rest: shown, some, other, all: whole } = rest.dataset;
  const words = seen.size < shown ? some : marked.length ? other : whole;
  rest.textContent = words.replace("{n}", left.toLocaleString(document.documentElement.lang));
}

/** Why a button of the grid cannot be pressed; null where it can. */
export function obstacle(form, say) {
  if (form.dataset.view !== "grid" || !say) return null;
  if (say !== "accept" && say !== "skip" && !say.startsWith("only:")) return one(".card input:checked") ? null : text("mark-first");
  return seen.size ? null : text("not-seen-yet");
}

const SIZE = "tagger-card-size";

function resize(pixels) {
  document.documentElement.style.setProperty("--card", `${pixels}px`);
}

/** Show the cards in the size that this browser had last. */
function restoreSize() {
  const size = one("#card-size");
  if (!size) return;
  size.value = localStorage.getItem(SIZE) ?? size.value;
  resize(size.value);
}

document.addEventListener("input", (event) => {
  if (event.target.id !== "card-size") return;
  localStorage.setItem(SIZE, event.target.value);
  resize(event.target.value);
});

document.addEventListener("click", (event) => {
  const how = event.target.closest("[data-mark]")?.dataset.mark;
  if (!how) return;
  for (const box of all(".card input")) {
    if (!seen.has(box.value)) continue;
    if (how === "titles") box.checked ||= Boolean(one(".objects", box.closest(".card")));
    else box.checked = how === "all" || !box.checked;
  }
  count();
});

document.addEventListener("click", (event) => {
  const only = event.target.closest("[data-mark-only]")?.dataset.markOnly.split(",");
  if (!only) return;
  const boxes = all(".card input").filter((box) => only.includes(box.value) && seen.has(box.value));
  const isMarked = boxes.every((box) => box.checked); // once more takes it back
  for (const box of boxes) box.checked = !isMarked;
  count();
});

/** Mark a card as wrong, or not. */
export function mark(box, checked) {
  box.checked = checked;
  box.dispatchEvent(new Event("change", { bubbles: true }));
}

document.addEventListener("click", (event) => {
  const box = event.target.closest(".card input");
  if (!box) return;
  const boxes = all(".card input");
  if (event.shiftKey && lastMarked && boxes.includes(lastMarked)) {
    const [from, to] = [boxes.indexOf(lastMarked), boxes.indexOf(box)].sort((a, b) => a - b);
    for (const between of boxes.slice(from, to + 1)) between.checked = box.checked;
  }
  lastMarked = box;
  count();
});

document.addEventListener("mousedown", (event) => {
  if (event.shiftKey && event.target.closest(".card")) event.preventDefault(); // no text is selected
});

document.addEventListener("change", (event) => {
  if (event.target.matches(".card input")) count();
});

for (const kind of ["load", "error"]) {
  const happened = ({ target }) => {
    if (!target.matches?.("img[data-picture]")) return;
    const card = target.closest(".card");
    if (kind === "error") replacePicture(target);
    else if (card) see(card);
    count();
  };
  document.addEventListener(kind, happened, true); // these do not bubble
}
