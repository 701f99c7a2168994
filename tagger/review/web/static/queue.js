// The queue without waiting: the next items are here already, a key shows the next one at once, and the answer goes out
// behind it. Keys that are pressed before the next item has come are kept, and act on it.

import { all, announce, backToItem, complainForGood, newStroke, one, quiet, replacePicture, text } from "./dom.js";
import { Outbox, post } from "./outbox.js";

const ENOUGH = 5; // items fetched ahead
const BEAT_MS = 30_000;
const KEPT_KEYS = 20;
const KEPT_ITEMS = 20; // answered ones, for undo

const upcoming = []; // {position, form}
const answered = []; // the same, the last one at the end
const keys = [];
let fetching = false;
let isWaiting = false; // for the next item
let isOver = false; // the server has no more
let press = () => {};

const form = () => one("form[data-view=queue]");
const place = () => one("#item");
const position = () => Number(form()?.dataset.position) || null;
const csrf = () => one("input[name=csrf]")?.value ?? "";

const { run, who } = document.body.dataset;
const outbox = new Outbox(`tagger-answers:${run}:${who}`, csrf, {
  changed: showSaving,
  saved(entry, reply) {
    for (const part of ["progress", "recent"]) if (reply[part]) one(`#${part}`)?.replaceWith(parsed(reply[part]));
    say(reply.said ?? "", entry.isUndo ? "" : reply.offer);
    if (entry.isUndo && reply.positions?.length && !reply.positions.includes(entry.position)) {
      const query = new URLSearchParams(location.search);
      query.set("done", "1");
      location.assign(`/items/${reply.positions[0]}?${query}`); // the item was not kept here
    }
  },
  refused(entry, why) {
    const at = answered.findLastIndex((item) => item.position === entry.position);
    if (at >= 0 && !entry.isUndo) answered.splice(at, 1);
    const words = `${entry.title}: ${text("not-saved", { why })}`;
    complainForGood(words, entry.position && { href: `/items/${entry.position}`, textContent: text("open-it") });
  },
});

/** Begin, on a page with the queue; `pressed` presses a key of the page. */
export function startQueue(pressed) {
  press = pressed;
  if (outbox.size) outbox.send();
  setInterval(beat, BEAT_MS);
  if (!form()) return beat(); // the page before may have given back this one's items while it closed
  prepare();
  fetchAhead();
}

/** Say that the page is still open, also behind another one, so that its items stay its own. */
function beat() {
  if (form()) return fetchAhead(true);
  const checked = one("form[data-view=check]")?.dataset.position;
  const open = checked ? [checked] : all("form[data-view=grid] .card input").map((card) => card.value);
  if (!open.length || document.body.classList.contains("busy")) return; // the next items are on their way
  const body = new URLSearchParams({ csrf: csrf(), count: 0 });
  for (const position of open) body.append("open", position);
  post("/ahead", String(body));
}

export const isQueue = (candidate) => candidate.dataset.view === "queue";

/** Whether a key has to wait until the next item is here. */
export function keepKey(key) {
  if (!isWaiting) return false;
  if (keys.length < KEPT_KEYS) keys.push(key);
  return true;
}

/** Take the answer of a button, and show the next item. */
export function answer(button) {
  const current = form();
  if (!current || isWaiting) return;
  const isUndo = new URL(button?.formAction || current.action, location).pathname === "/undo";
  if (isUndo) return undo(button);
  const body = new URLSearchParams(new FormData(current));
  body.delete("csrf"); // that of the page that sends it
  if (button?.name) body.append(button.name, button.value);
  body.append("stroke", newStroke());
  const url = button?.hasAttribute("formaction") ? button.formAction : current.action;
  quiet();
  answered.push({ position: position(), form: current });
  if (answered.length > KEPT_ITEMS) answered.shift();
  outbox.add({ url, body: String(body), position: position(), title: current.dataset.title });
  next();
}

function undo(button) {
  const shown = form();
  const last = answered.pop();
  const body = new URLSearchParams({ view: "queue", stroke: newStroke() });
  const url = button.formAction;
  quiet();
  if (last) {
    upcoming.unshift({ position: position(), form: shown });
    last.form.reset();
    show(last);
    outbox.add({ url, body: String(body), position: last.position, title: last.form.dataset.title, isUndo: true });
  } else {
    outbox.add({ url, body: String(body), position: null, title: "", isUndo: true });
  }
}

function next() {
  const item = upcoming.shift();
  if (item) {
    show(item);
    fetchAhead();
    return;
  }
  isWaiting = true;
  place().setAttribute("aria-busy", "true");
  setTimeout(() => isWaiting && one("[data-saved]") && (one("[data-saved]").textContent = text("loading-next")), 300);
  fetchAhead();
}

function show(item) {
  isWaiting = false;
  const previous = [...(one("[data-saved]")?.childNodes ?? [])];
  place().removeAttribute("aria-busy");
  place().replaceChildren(item.form);
  one("[data-saved]").replaceChildren(...previous);
  document.title = document.title.replace(/^.*(?= · )/, () => item.form.dataset.title);
  history.replaceState(null, "", `/queue${new URL(item.form.action).search}`);
  window.scrollTo(0, 0);
  prepare();
  drain();
}

function drain() {
  while (keys.length && !isWaiting) press(keys.shift());
}

function prepare() {
  for (const image of place().querySelectorAll("img[data-picture]")) {
    if (image.complete && !image.naturalWidth) replacePicture(image);
  }
  backToItem();
  const said = ["#for-copies", "[data-focus]"].map((part) => one(part)?.textContent.trim() ?? "");
  announce(said.filter(Boolean).join(". "));
}

async function fetchAhead(isBeat = false) {
  if (fetching || (!isBeat && !isWaiting && (isOver || upcoming.length >= ENOUGH))) return;
  fetching = true;
  const body = new URLSearchParams({ csrf: csrf(), count: Math.max(0, ENOUGH - upcoming.length) });
  for (const open of [isWaiting ? null : position(), ...outbox.positions()]) if (open) body.append("open", open);
  for (const item of upcoming) body.append("have", item.position);
  const reply = await post(`/ahead${location.search}`, String(body));
  fetching = false;
  if (!reply?.ok) {
    if (isWaiting) setTimeout(fetchAhead, 1000);
    return;
  }
  for (const lost of reply.content.lost) {
    const at = upcoming.findIndex((item) => item.position === lost);
    if (at >= 0) upcoming.splice(at, 1);
  }
  for (const { position: number, html } of reply.content.items) {
    if (number === position() || upcoming.some((item) => item.position === number)) continue;
    const item = { position: number, form: parsed(html) };
    for (const image of item.form.querySelectorAll("figure > img[data-picture]")) new Image().src = image.src;
    upcoming.push(item);
  }
  isOver = upcoming.length < ENOUGH && reply.content.items.length === 0;
  if (!isWaiting) return;
  if (upcoming.length) next();
  else if (!outbox.size) location.assign(`/queue${location.search}`); // says why there is nothing
  else setTimeout(fetchAhead, 200); // until all is saved
}

function parsed(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content.firstElementChild;
}

// What was saved, and an offer of similar items, which stays until there is another one.
function say(words, offer) {
  const line = one("[data-saved]");
  if (!line) return;
  const link = offer ? parsed(offer) : offer === "" ? null : one(".offer", line);
  line.replaceChildren(words, ...(link ? [" ", link] : []));
  announce(words);
}

function showSaving(changed) {
  const badge = one("#saving");
  if (!badge) return;
  badge.hidden = changed.size === 0;
  badge.classList.toggle("stuck", changed.isStuck);
  badge.textContent = text(changed.isStuck ? "not-saved-yet" : "saving", { n: changed.size });
}

window.addEventListener("beforeunload", (event) => {
  if (outbox.isStuck) event.preventDefault(); // what is only on its way is kept, and sent by the next page
});

window.addEventListener("pagehide", () => {
  if (!form() && !one("form[data-view=grid], form[data-view=duplicates]")) return;
  navigator.sendBeacon("/release", new URLSearchParams({ csrf: csrf() }));
});
