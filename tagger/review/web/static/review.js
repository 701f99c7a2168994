"use strict";
// What makes the page quick: keys, forms that are sent without loading the page anew, a search among all classes.
// Everything here only presses the buttons that the page has without it.

document.documentElement.classList.add("script");

const TIMEOUT_MS = 60_000;
const KEYS_OFF = "tagger-keys-off";
const MOSTLY = 0.75; // of a card, for it to be on the screen
let leaves = null; // all classes, once somebody types
let busy = false;
let lastMarked = null;

const one = (selector, within = document) => within.querySelector(selector);
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const byName = new Intl.Collator("en", { numeric: true });
const isTyping = (element) =>
  element?.matches("select, textarea, input:not([type=checkbox]):not([type=file])") ?? false;

async function send(form, button) {
  if (busy) return;
  busy = true;
  document.body.classList.add("busy");
  try {
    const data = new FormData(form);
    if (form.dataset.view === "grid" && button?.name === "say") data.set("shown", [...seen].join(","));
    if (button?.name) data.append(button.name, button.value);
    const multipart = form.enctype === "multipart/form-data";
    const answer = await fetch(button?.formAction && button.hasAttribute("formaction") ? button.formAction : form.action, {
      method: "POST",
      body: multipart ? data : new URLSearchParams(data),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const text = await answer.text();
    if (answer.headers.get("content-type")?.startsWith("text/html")) receive(text, answer);
    else complain(`The server refused it: ${text.slice(0, 200)}`);
  } catch {
    complain("The server does not answer. Nothing of what it confirmed is lost; try again when it is back.");
  } finally {
    busy = false;
    document.body.classList.remove("busy");
  }
}

// What only says why nothing happened is said above the item, which stays; anything else is the next page.
function receive(text, answer) {
  const page = new DOMParser().parseFromString(text, "text/html");
  const message = one("[data-message] h1", page);
  if (message && !answer.ok) complain(message.textContent);
  else show(page, answer.redirected ? answer.url : null);
}

function show(page, address) {
  for (const part of ["main", "#progress", "#views"]) {
    const fresh = one(part, page);
    if (fresh) one(part)?.replaceWith(fresh);
  }
  document.title = page.title;
  if (address) history.replaceState(null, "", address);
  settle();
  window.scrollTo(0, 0);
}

function complain(text) {
  one(".problem")?.remove();
  const problem = Object.assign(document.createElement("p"), { className: "problem", textContent: text });
  problem.setAttribute("role", "alert");
  one("main").prepend(problem);
}

function settle() {
  lastMarked = null;
  const first = one("[data-focus]");
  first?.focus({ preventScroll: true });
  for (const position of first?.dataset.next?.split(" ").filter(Boolean) ?? []) new Image().src = position;
  const more = [".problem", ".done", "#for-copies"].map((part) => one(part)?.textContent.trim() ?? "");
  if (first) announce([...more, first.textContent].filter(Boolean).join(". "));
  watch();
}

function announce(text) {
  one("#announcer").textContent = text;
}

// The grid: what was on the screen, with its picture, is what a button speaks of

let watcher = null;
const seen = new Set(); // positions, as the form has them
const visible = new Set();

function watch() {
  watcher?.disconnect();
  seen.clear();
  visible.clear();
  const bar = one(".sticky");
  const covered = bar && getComputedStyle(bar).position === "sticky" ? bar.offsetHeight : 0;
  watcher = new IntersectionObserver(look, { threshold: MOSTLY, rootMargin: `-${covered}px 0px 0px 0px` });
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
  if (visible.has(card) && image?.complete && image.naturalWidth) seen.add(one("input", card).value);
}

function replacePicture(image) {
  const text = "There is no picture: its file is missing or cannot be read.";
  image.replaceWith(Object.assign(document.createElement("span"), { className: "no-picture", textContent: text }));
}

function count() {
  const rest = one("[data-rest]");
  if (!rest) return;
  const marked = all(".card input:checked");
  for (const box of marked) seen.add(box.value); // who marks it has looked
  const left = seen.size - marked.length;
  const { rest: all_, verb } = rest.dataset;
  if (seen.size < all_) rest.textContent = `${verb} ${left} of ${all_}`;
  else rest.textContent = marked.length ? `${verb} the other ${left}` : `${verb} ${all_}`;
}

// Why a button of the grid cannot be pressed, if it cannot.
function obstacle(form, say) {
  if (form.dataset.view !== "grid" || !say) return null;
  if (say !== "accept" && say !== "skip") return one(".card input:checked") ? null : "Mark the items first.";
  return seen.size ? null : "No picture has been on the screen yet. Wait until they are here.";
}

// Search among all classes

async function allLeaves() {
  const answer = await fetch("/leaves.json");
  return (await answer.json()).map(([master, article, items, rare, known], number) => {
    const text = `${article} ${master}`.toLowerCase();
    return { master, article, items, rare, known, number, text: `${text} ${plain(text)}` };
  });
}

async function search(input) {
  leaves ??= allLeaves(); // asked for once, whatever is typed meanwhile
  const known = await leaves.catch(() => (leaves = null) ?? []);
  const words = input.value.toLowerCase().split(/\s+/).filter(Boolean).map(plain);
  const query = words.join(" ");
  const found = known.filter((leaf) => words.every((word) => leaf.text.includes(word))).sort(before(query)).slice(0, 50);
  one("#found").replaceChildren(...found.map((leaf, i) => choice(leaf, `found-${i}`)));
  // A stray Enter takes nothing, and nothing that hardly occurs: that has to be chosen by an arrow.
  const isMeant = found[0] && !found[0].rare && !found.some((leaf) => leaf.rare && rank(leaf, query) < rank(found[0], query));
  if (query && isMeant) one("#found li").setAttribute("aria-selected", "true");
  open(input, found.length > 0);
}

const plain = (text) => text.replaceAll("-", "");

// What is rare comes last; then how well the name fits, whether the model knows it, and how many items have it.
function before(query) {
  return (a, b) =>
    a.rare - b.rare ||
    rank(a, query) - rank(b, query) ||
    b.known - a.known ||
    b.items - a.items ||
    byName.compare(a.article, b.article);
}

function choice(leaf, id) {
  const option = Object.assign(document.createElement("li"), { id, textContent: leaf.article });
  option.setAttribute("role", "option");
  option.setAttribute("aria-selected", "false");
  option.dataset.say = `leaf:${leaf.number}`;
  const count = leaf.items === null ? "" : `${leaf.items.toLocaleString("en")} ${leaf.items === 1 ? "item" : "items"}`;
  const note = leaf.rare ? `rare here: ${count}` : count;
  const small = Object.assign(document.createElement("small"), { textContent: [leaf.master, note].filter(Boolean).join(" · ") });
  small.classList.toggle("rare", leaf.rare);
  option.append(" ", small);
  return option;
}

// The whole name first, then names that begin so, then those with a word that does.
function rank(leaf, query) {
  const name = plain(leaf.article.toLowerCase());
  if (name === query) return 0;
  if (name.startsWith(query)) return 1;
  return ` ${name}`.includes(` ${query}`) ? 2 : 3;
}

function open(input, isOpen) {
  one("#found").hidden = !isOpen;
  input.setAttribute("aria-expanded", String(isOpen));
  const chosen = one("#found [aria-selected=true]");
  if (isOpen && chosen) input.setAttribute("aria-activedescendant", chosen.id);
  else input.removeAttribute("aria-activedescendant");
}

function move(input, step) {
  const options = all("#found li");
  if (!options.length) return;
  const at = options.findIndex((option) => option.getAttribute("aria-selected") === "true");
  options[at]?.setAttribute("aria-selected", "false");
  const next = options[at < 0 ? (step > 0 ? 0 : options.length - 1) : (at + step + options.length) % options.length];
  next.setAttribute("aria-selected", "true");
  next.scrollIntoView({ block: "nearest" });
  open(input, true);
}

function take(option) {
  const form = option.closest("form");
  const problem = obstacle(form, option.dataset.say);
  if (problem) return complain(problem);
  const say = Object.assign(document.createElement("button"), { name: "say", value: option.dataset.say });
  send(form, say);
}

// Keys

function press(key) {
  const button = all("[data-key]").find((b) => b.dataset.key.split(" ").includes(key) && !b.closest("dialog"));
  button?.click();
  return Boolean(button);
}

function arrow(key) {
  const cards = all(".card input");
  const across = cards.length > 0;
  const places = across ? cards : all("button.alternative");
  if (!places.length) return false;
  const at = places.indexOf(document.activeElement);
  let step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -1, ArrowDown: 1 }[key];
  if (across && (key === "ArrowUp" || key === "ArrowDown")) {
    const tops = places.map((place) => place.closest("li").offsetTop);
    step *= tops.filter((top) => top === tops[0]).length;
  }
  const next = at < 0 ? 0 : at + step;
  if (next >= 0 && next < places.length) {
    places[next].focus({ preventScroll: true });
    places[next].closest("li").scrollIntoView({ block: "center" });
  }
  return true;
}

function mark(box, checked) {
  box.checked = checked;
  box.dispatchEvent(new Event("change", { bubbles: true }));
}

document.addEventListener("keydown", (event) => {
  const target = event.target;
  if (target.id === "search") {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") move(target, event.key === "ArrowDown" ? 1 : -1);
    else if (event.key === "Enter" && !event.isComposing) {
      const chosen = one("#found:not([hidden]) [aria-selected=true]");
      if (chosen) take(chosen);
      else if (target.value.trim() && one("#found:not([hidden]) li")) complain("That is rare here. Choose it with ↓ first.");
    } else if (event.key === "Escape") {
      target.value = "";
      open(target, false);
      one("[data-focus]")?.focus({ preventScroll: true });
    } else return;
    event.preventDefault();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || isTyping(target) || one("dialog[open]")) return;
  if (localStorage.getItem(KEYS_OFF) && event.key !== "?") return;
  if (event.repeat && !event.key.startsWith("Arrow")) return;
  let handled = true;
  if (event.key === "/") one("#search")?.focus();
  else if (event.key === "f" && one(".attributes select")) one(".attributes select").focus();
  else if (event.key.startsWith("Arrow")) handled = arrow(event.key);
  else if (event.key === "x" && target.matches(".card input")) mark(target, !target.checked);
  else if (event.key === "Enter" && target.matches("button, a, summary")) handled = false;
  else handled = press(event.key.length === 1 ? event.key.toLowerCase() : event.key);
  if (handled) event.preventDefault();
});

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post" || !(form.dataset.view || "drop" in form.dataset)) return;
  event.preventDefault();
  const problem = event.submitter?.name === "say" ? obstacle(form, event.submitter.value) : null;
  if (problem) complain(problem);
  else send(form, event.submitter);
});

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-opens]");
  if (opener) return document.getElementById(opener.dataset.opens).showModal();
  const option = event.target.closest("#found li");
  if (option) return take(option);
  if (!event.target.closest("[data-search]") && one("#search")) open(one("#search"), false);
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

document.addEventListener("mousedown", (event) => {
  if (event.shiftKey && event.target.closest(".card")) event.preventDefault(); // no text is selected
});

document.addEventListener("change", (event) => {
  if (event.target.matches(".card input")) count();
  if (event.target.name === "copies") announce(event.target.checked ? "For all with this picture" : "For this item alone");
  if (event.target.id === "keys-on") {
    if (event.target.checked) localStorage.removeItem(KEYS_OFF);
    else localStorage.setItem(KEYS_OFF, "1");
  }
});

document.addEventListener("input", (event) => {
  if (event.target.id === "search") search(event.target);
});

document.addEventListener("focusout", (event) => {
  if (event.target.id === "search" && !event.relatedTarget?.closest("#found")) {
    setTimeout(() => one("#search") && document.activeElement !== one("#search") && open(one("#search"), false), 200);
  }
});

document.addEventListener("focusin", (event) => {
  if (event.target.id === "search") search(event.target);
});

// A picture that is dropped

for (const kind of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    const form = one("[data-drop]");
    if (!form) return;
    event.preventDefault();
    one(".drop").classList.toggle("over", kind === "dragover");
    const files = event.dataTransfer?.files;
    if (kind !== "drop" || !files?.length) return;
    one("input[type=file]", form).files = files;
    form.requestSubmit();
  });
}

one("#keys-on")?.toggleAttribute("checked", !localStorage.getItem(KEYS_OFF));
settle();
