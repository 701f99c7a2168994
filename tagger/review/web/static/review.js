// What makes the page quick: keys, and forms that are sent without loading the page anew.
// Everything here only presses the buttons that the page has without it.

import "./attributes.js";
import "./images.js";
import { all, announce, backToItem, complain, isTyping, one, text } from "./dom.js";
import { mark, obstacle, seenPositions, watchCards } from "./grid.js";
import { answer, isQueue, keepKey, startQueue } from "./queue.js";
import { searchKey, startSearch } from "./search.js";
import { zoom } from "./zoom.js";

document.documentElement.classList.add("script");

const TIMEOUT_MS = 60_000;
const KEYS_OFF = "tagger-keys-off";
let busy = false;

async function send(form, button) {
  if (busy) return;
  busy = true;
  document.body.classList.add("busy");
  try {
    const data = new FormData(form);
    if (form.dataset.view === "grid" && button?.name === "say") data.set("shown", seenPositions());
    if (button?.name) data.append(button.name, button.value);
    const multipart = form.enctype === "multipart/form-data";
    const answered = await fetch(button?.hasAttribute("formaction") ? button.formAction : form.action, {
      method: "POST",
      body: multipart ? data : new URLSearchParams(data),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const content = await answered.text();
    if (answered.headers.get("content-type")?.startsWith("text/html")) receive(content, answered);
    else complain(text("server-refused", { why: content.slice(0, 200) }));
  } catch {
    complain(text("server-silent"));
  } finally {
    busy = false;
    document.body.classList.remove("busy");
  }
}

// What only says why nothing happened is said above the page, which stays; anything else is the next page.
function receive(content, answered) {
  const page = new DOMParser().parseFromString(content, "text/html");
  const message = one("[data-message] h1", page);
  if (message && !answered.ok) return complain(message.textContent);
  if (one("form[data-view=queue]", page)) return location.assign(answered.url); // the queue begins anew
  for (const part of ["main", "#progress", "#views"]) {
    const fresh = one(part, page);
    if (fresh) one(part)?.replaceWith(fresh);
  }
  document.title = page.title;
  if (answered.redirected) history.replaceState(null, "", answered.url);
  settle();
  window.scrollTo(0, 0);
}

function settle() {
  backToItem();
  const said = [".problem", ".done", "[data-focus]"].map((part) => one(part)?.textContent.trim() ?? "");
  announce(said.filter(Boolean).join(". "));
  watchCards();
}

function submit(form, button) {
  const problem = button?.name === "say" ? obstacle(form, button.value) : null;
  if (problem) complain(problem);
  else if (isQueue(form)) answer(button);
  else send(form, button);
}

// Keys

function press(key) {
  if (key === "/") return Boolean(one("#search")?.focus() ?? true);
  const button = all("[data-key]").find((b) => b.dataset.key.split(" ").includes(key) && !b.closest("dialog"));
  button?.click();
  // at once: the event that says that it is open comes later than the next key
  if (button?.matches(".flag[open] > summary")) one("input", button.parentElement).focus();
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

document.addEventListener("keydown", (event) => {
  const target = event.target;
  if (target.id === "search") return searchKey(event);
  if (target.matches(".flag input")) return noteKey(event);
  if (event.ctrlKey || event.metaKey || event.altKey || isTyping(target) || one("dialog[open]")) return;
  if (localStorage.getItem(KEYS_OFF) && event.key !== "?") return;
  if (event.repeat && !event.key.startsWith("Arrow")) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  let handled = true;
  if (keepKey(key)) handled = true;
  else if (key === "e" && one(".attributes select")) one(".attributes select").focus();
  else if (key.startsWith("Arrow")) handled = arrow(key);
  else if (key === "x" && target.matches(".card input")) mark(target, !target.checked);
  else if (key === "z" && target.matches(".card input")) zoom(one("img", target.closest(".card")));
  else if (key === "Enter" && target.matches("button, a, summary")) handled = false;
  else handled = press(key);
  if (handled) event.preventDefault();
});

// In the field of a note or of a proposed class, Enter sends it, and Escape goes back to the item.
function noteKey(event) {
  const flag = event.target.closest(".flag");
  if (event.key === "Enter" && !event.isComposing) event.target.value.trim() && one("button", flag).click();
  else if (event.key === "Escape") {
    flag.open = false;
    backToItem();
  } else return;
  event.preventDefault();
}

document.addEventListener(
  "toggle",
  (event) => event.target.matches?.(".flag[open]") && one("input", event.target).focus(),
  true, // it does not bubble
);

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post" || !(form.dataset.view || "drop" in form.dataset)) return;
  event.preventDefault();
  submit(form, event.submitter);
});

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-opens]");
  if (opener) document.getElementById(opener.dataset.opens).showModal();
});

document.addEventListener("change", (event) => {
  if (event.target.name === "copies") announce(text(event.target.checked ? "for-copies" : "for-this-alone"));
  if (event.target.id === "keys-on") {
    if (event.target.checked) localStorage.removeItem(KEYS_OFF);
    else localStorage.setItem(KEYS_OFF, "1");
  }
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
startSearch((form, say) => submit(form, Object.assign(document.createElement("button"), { name: "say", value: say })));
startQueue(press);
settle();
