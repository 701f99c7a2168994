"""How quick the review page is over a run: answers in milliseconds, decisions an hour by a script in a real browser.

    python -m tests.review_speed --run RUN [--index INDEX] [--queue 100] [--grid 20]

The script looks at nothing: it presses the key as soon as the item's image is on the screen, so that its rate is the
page's, not a person's. It works on a copy of the review's database that it throws away.
"""

import argparse
import re
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from tests.chromium import chromium
from tests.review_server import Reviewer, ReviewServer

_SHOWN = "[...document.querySelectorAll('main img:not([loading=lazy])')].every((i) => i.complete && i.naturalWidth)"
_VIEWS = {
    "the first page": "/", "the summary": "/summary", "the list of all items": "/items",
    "items found by a word": "/items?text=blue",
    "items found by two words and a reason": "/items?text=men+shirt&reason=blurry_image",
    "items by the value of a column": "/items?has=gender%3DMen", "the corrected ones": "/items?state=corrected",
}  # fmt: skip
"""Views with counts, by their addresses; the columns are those of the published catalogue."""
_ITEM_LINK = "figcaption a[href^='/items/']"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--index", type=Path, help="of its items and labelled ones: then offers are part of answers")
    parser.add_argument("--prepared", type=float, default=30, help="seconds until that is ready behind the page")
    parser.add_argument("--queue", type=int, default=100, help="decisions to make in the queue")
    parser.add_argument("--grid", type=int, default=20, help="pages to accept in the grid")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        index = ("--index", str(asked.index)) if asked.index else ()
        with ReviewServer(asked.run, "--database", f"{folder}/review.sqlite", *index) as server:
            print(f"ready after {time.perf_counter() - began:.1f} s")
            if asked.index:
                time.sleep(asked.prepared)
            _answers(server.client(), asked.queue)
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox", "--disable-gpu"])
                page = server.page(browser, bypass_csp=True)  # it waits by a script of its own
                _queue(page, asked.queue)
                _grid(page, asked.grid)
                browser.close()
            server.kill()  # an end by Ctrl-C would export these answers beside the run


def _answers(client: Reviewer, count: int) -> None:
    """The server's part: pages and images, one request after another."""

    def decide() -> None:
        assert client.answer("m").status_code == 200

    def decide_as_the_script_does() -> None:
        button = re.search(r'<button name="say" value="(leaf:\d+)"', client.page)
        assert button
        form = {"say": button[1], "expected": client.field("expected"), "csrf": client.field("csrf")}
        address = f"/items/{client.position}/decision"
        assert client.http.post(address, data=form, headers={"accept": "application/json"}).status_code == 200

    def images() -> None:
        for address in re.findall(r'<img src="([^"]+)"', client.page):
            assert client.http.get(address).status_code == 200

    def grid() -> None:
        client.open("/grid")

    def filtered() -> None:
        client.open("/queue?reason=low_confidence&least=50")

    def people() -> None:
        client.open("/people")

    client.open("/queue")
    _timed("an answer in the queue: decision and next page", decide, count)
    _timed("an answer alone, as the script sends it", lambda: client.open("/queue"), count, decide_as_the_script_does)
    client.open("/queue")
    _timed("the image of an item", decide, count // 4, of=images)
    _timed("a page of the grid", grid, 20)
    _timed("its 48 images", images, 1)
    _timed("the same, once more", images, 5)
    _timed("the people", people, 20)
    _timed("a page filtered by reason and confidence", filtered, 20)
    for name, address in _VIEWS.items():
        _timed(name, partial(client.open, address), 20)


def _timed(name: str, work: Callable[[], object], count: int, of: Callable[[], object] | None = None) -> None:
    """Time some work, or what follows on each time that it was done."""
    took = []
    for _ in range(count):
        if of is not None:
            work()
        began = time.perf_counter()
        (of or work)()
        took.append(1000 * (time.perf_counter() - began))
    slowest = sorted(took)[min(len(took) - 1, int(0.95 * len(took)))]
    print(f"{name}: median {statistics.median(took):.0f} ms, 95 % within {slowest:.0f} ms ({count})")


def _queue(page: Page, count: int) -> None:
    page.goto("/queue")
    began = time.perf_counter()
    for _ in range(count):
        page.wait_for_function(_SHOWN)
        before = page.locator(_ITEM_LINK).get_attribute("href")
        page.keyboard.press("a")
        page.wait_for_function(
            "([before, link]) => document.querySelector(link)?.getAttribute('href') !== before",
            arg=[before, _ITEM_LINK],
        )
    _rate("queue", count, time.perf_counter() - began)


def _grid(page: Page, pages: int) -> None:
    page.goto("/grid")
    decided = 0
    began = time.perf_counter()
    for _ in range(pages):
        page.wait_for_function(_SHOWN)
        shown = page.locator("input[name=shown]").input_value()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("x")
        decided += len(shown.split(",")) - 1
        page.keyboard.press("Enter")
        page.wait_for_function("(s) => document.querySelector('input[name=shown]')?.value !== s", arg=shown)
    _rate("grid, one marked a page", decided, time.perf_counter() - began)


def _rate(name: str, decisions: int, seconds: float) -> None:
    print(
        f"in the browser, {name}: {decisions:,} decisions in {seconds:.0f} s, {3600 * decisions / seconds:,.0f} an hour"
    )


if __name__ == "__main__":
    main()
