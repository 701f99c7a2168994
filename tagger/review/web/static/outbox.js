// Answers on their way to the server: one after the other, again until it has confirmed each, kept when the page is
// loaded anew. Each has a key of its own, so that one that arrives twice is saved once.

const RETRY_MS = [500, 1000, 2000, 4000, 8000];
const TIMEOUT_MS = 30_000;
const AGAIN = [408, 425, 429, 502, 503, 504];
const TRIES_OF_500 = 5; // what the server cannot do now, it may never do

export class Outbox {
  /**
   * @param {string} name Key under which unsent answers are kept in the browser.
   * @param {Function} csrf Returns the page's token against forged forms.
   * @param {{changed: Function, saved: Function, refused: Function}} listener Told of each change of the number of
   *   answers, of each reply, and of each refusal with its reason.
   */
  constructor(name, csrf, listener) {
    this.name = name;
    this.csrf = csrf;
    this.listener = listener;
    this.entries = this.#stored();
    this.failures = 0;
    this.busy = false;
  }

  get size() {
    return this.entries.length;
  }

  get isStuck() {
    return this.failures > 0;
  }

  positions() {
    return this.entries.map((entry) => entry.position).filter(Boolean);
  }

  /** @param {{url: string, body: string, position: ?number, title: string}} entry */
  add(entry) {
    this.entries.push(entry);
    this.#changed();
    this.send();
  }

  async send() {
    if (this.busy) return;
    this.busy = true;
    while (this.size) {
      const entry = this.entries[0];
      const reply = await post(entry.url, `${entry.body}&csrf=${encodeURIComponent(this.csrf())}`);
      if (reply?.status === 401) {
        location.reload(); // it opens a session, or asks for the token; what is not saved is kept, and sent then
        break;
      }
      const isAgain = reply === null || AGAIN.includes(reply.status) || (reply.status === 500 && this.failures < TRIES_OF_500);
      if (isAgain) {
        this.failures++;
        this.listener.changed(this);
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS[Math.min(this.failures, RETRY_MS.length) - 1]));
        continue;
      }
      this.failures = 0;
      this.entries.shift();
      this.#changed();
      if (reply.ok) this.listener.saved(entry, reply.content);
      else this.listener.refused(entry, reply.content?.problem ?? `HTTP ${reply.status}`);
    }
    this.busy = false;
  }

  #changed() {
    try {
      if (this.size) localStorage.setItem(this.name, JSON.stringify(this.entries));
      else localStorage.removeItem(this.name);
    } catch {
      // a browser that keeps nothing still sends
    }
    this.listener.changed(this);
  }

  #stored() {
    try {
      return JSON.parse(localStorage.getItem(this.name)) ?? [];
    } catch {
      return [];
    }
  }
}

/** Send a form; null where the server did not answer. */
export async function post(url, body) {
  try {
    const answer = await fetch(url, {
      method: "POST",
      headers: { "Content-Type": "application/x-www-form-urlencoded", Accept: "application/json" },
      body,
      keepalive: true, // also when the page is left meanwhile
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const isJson = answer.headers.get("content-type")?.startsWith("application/json");
    return { ok: answer.ok, status: answer.status, content: isJson ? await answer.json() : null };
  } catch {
    return null;
  }
}
