// Search among all classes: a combobox.

import { all, backToItem, complain, one, text } from "./dom.js";

let leaves = null; // all classes, once somebody types
let choose = () => {};

/** Begin; `chosen` takes the answer of a class, such as `leaf:7`, with the form that it is for. */
export function startSearch(chosen) {
  choose = chosen;
}

async function allLeaves() {
  const answer = await fetch("/leaves.json");
  return (await answer.json()).map(([master, article, note, items, rare, known, synonyms], number) => {
    const names = [article, ...synonyms].map(plainWords);
    return { master, article, note, items, rare, known, number, names, category: plainWords(master) };
  });
}

async function search(input) {
  leaves ??= allLeaves(); // asked for once, whatever is typed meanwhile
  const known = await leaves.catch(() => (leaves = null) ?? []);
  const query = plainWords(input.value);
  const ranked = known.map((leaf) => ({ leaf, rank: rankOf(leaf, query) })).filter(({ rank }) => rank < NO_MATCH);
  const isExact = ranked.some(({ rank }) => rank < SIMILAR);
  const shown = ranked.filter(({ rank }) => !isExact || rank < SIMILAR).sort(before).slice(0, 50);
  one("#found").replaceChildren(...shown.map(({ leaf }, i) => choice(leaf, `found-${i}`)));
  const isTyped = query.length > 0;
  if (isTyped && !shown.length) one("#found").append(nothing());
  // A stray Enter takes nothing, and nothing that hardly occurs: that has to be chosen by an arrow.
  const first = shown[0];
  const isMeant = first && !first.leaf.rare && !shown.some(({ leaf, rank }) => leaf.rare && rank < first.rank);
  if (isTyped && isMeant) one("#found li").setAttribute("aria-selected", "true");
  open(input, shown.length > 0 || isTyped);
}

/** Words in small letters, without hyphens, accents and the s of a plural. */
function plainWords(words) {
  const letters = words.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase().replaceAll("-", "");
  return letters.split(/[^\p{L}\p{N}]+/u).filter(Boolean).map(singular);
}

function singular(word) {
  if (/(ar|l)ves$/.test(word)) return `${word.slice(0, -3)}f`;
  if (word.length > 4 && /(s|x|ch|sh)es$/.test(word)) return word.slice(0, -2);
  return word.length > 3 && /[^s]s$/.test(word) ? word.slice(0, -1) : word;
}

// How well a class fits: its whole name; a name that begins so; a word that does; any part; and then with one letter
// wrong, left out, too many, or two exchanged. Other words for it come just after its own.
const SIMILAR = 8;
const NO_MATCH = 99;

function rankOf(leaf, query) {
  if (!query.length) return 0;
  const ranks = leaf.names.map((name, i) => 2 * rankOfName(name, leaf.category, query) + (i > 0 ? 1 : 0));
  return Math.min(...ranks);
}

function rankOfName(name, category, query) {
  const [joined, typed] = [name.join(""), query.join("")];
  if (joined === typed) return 0;
  if (joined.startsWith(typed)) return 1;
  if (name.some((word) => word.startsWith(typed))) return 2;
  const all_ = [...name, ...category];
  if (joined.includes(typed) || query.every((word) => all_.some((other) => other.includes(word)))) return 3;
  const isNear = nearly(typed, joined) || query.every((word) => all_.some((other) => nearly(word, other)));
  return isNear ? SIMILAR / 2 : NO_MATCH;
}

/** Whether a word, or its beginning, differs by one letter at most; short words must be right. */
function nearly(typed, word) {
  if (typed.length < 4) return word.startsWith(typed);
  return [-1, 0, 1].some((more) => distance(typed, word.slice(0, typed.length + more)) <= 1);
}

/** Letters to change, add, take away, or exchange with their neighbour (optimal string alignment). */
function distance(a, b) {
  const rows = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    rows[i] = [i];
    for (let j = 1; j <= b.length; j++) {
      const changed = rows[i - 1][j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1);
      rows[i][j] = Math.min(changed, rows[i - 1][j] + 1, rows[i][j - 1] + 1);
      const isExchanged = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (isExchanged) rows[i][j] = Math.min(rows[i][j], rows[i - 2][j - 2] + 1);
    }
  }
  return rows[a.length][b.length];
}

const byName = new Intl.Collator(document.documentElement.lang, { numeric: true });

// What is rare comes last; then how well the name fits, whether the model knows it, and how many items have it.
function before(a, b) {
  return (
    a.leaf.rare - b.leaf.rare ||
    a.rank - b.rank ||
    b.leaf.known - a.leaf.known ||
    b.leaf.items - a.leaf.items ||
    byName.compare(a.leaf.article, b.leaf.article)
  );
}

function choice(leaf, id) {
  const option = Object.assign(document.createElement("li"), { id, textContent: leaf.article });
  option.setAttribute("role", "option");
  option.setAttribute("aria-selected", "false");
  option.dataset.say = `leaf:${leaf.number}`;
  const small = Object.assign(document.createElement("small"), { textContent: [leaf.master, leaf.note].filter(Boolean).join(" · ") });
  small.classList.toggle("rare", leaf.rare);
  option.append(" ", small);
  return option;
}

function nothing() {
  const line = Object.assign(document.createElement("li"), { className: "none", textContent: text("search-none") });
  line.setAttribute("role", "option");
  line.setAttribute("aria-disabled", "true");
  return line;
}

function open(input, isOpen) {
  const list = one("#found");
  list.hidden = !isOpen;
  input.setAttribute("aria-expanded", String(isOpen));
  const chosen = one("#found [aria-selected=true]");
  if (isOpen && chosen) input.setAttribute("aria-activedescendant", chosen.id);
  else input.removeAttribute("aria-activedescendant");
  const { top, bottom } = input.getBoundingClientRect();
  list.classList.toggle("upward", window.innerHeight - bottom < 330 && top > window.innerHeight - bottom);
}

function move(input, step) {
  const options = all("#found li[data-say]");
  if (!options.length) return;
  const at = options.findIndex((option) => option.getAttribute("aria-selected") === "true");
  options[at]?.setAttribute("aria-selected", "false");
  const next = options[at < 0 ? (step > 0 ? 0 : options.length - 1) : (at + step + options.length) % options.length];
  next.setAttribute("aria-selected", "true");
  next.scrollIntoView({ block: "nearest" });
  open(input, true);
}

/** Handle a key in the search's field. */
export function searchKey(event) {
  const input = event.target;
  if (event.key === "ArrowDown" || event.key === "ArrowUp") move(input, event.key === "ArrowDown" ? 1 : -1);
  else if (event.key === "Enter" && !event.isComposing) {
    const chosen = one("#found:not([hidden]) [aria-selected=true]");
    if (chosen) choose(chosen.closest("form"), chosen.dataset.say);
    else if (input.value.trim() && one("#found:not([hidden]) li[data-say]")) complain(text("rare-needs-arrow"));
  } else if (event.key === "Escape") {
    input.value = "";
    open(input, false);
    backToItem();
  } else return;
  event.preventDefault();
}

document.addEventListener("click", (event) => {
  const option = event.target.closest("#found li[data-say]");
  if (option) choose(option.closest("form"), option.dataset.say);
  else if (!event.target.closest("[data-search]") && one("#search")) open(one("#search"), false);
});

for (const kind of ["input", "focusin"]) {
  document.addEventListener(kind, (event) => {
    if (event.target.id === "search") search(event.target);
  });
}

document.addEventListener("focusout", (event) => {
  if (event.target.id === "search" && !event.relatedTarget?.closest("#found")) {
    setTimeout(() => one("#search") && document.activeElement !== one("#search") && open(one("#search"), false), 200);
  }
});
