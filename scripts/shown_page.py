"""Pictures of web pages: the review page of a run, and files."""

import re
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType

from playwright.sync_api import Browser, StorageState

_LINK = re.compile(r"(http://\S+?:\d+)(/\S+)")


class ReviewPage:
    """`tagger review` over a run, for as long as its pictures are taken."""

    def __init__(self, folder: Path, run: str) -> None:
        command = [sys.executable, "-m", "tagger.jobs.review", "--run", run, "--port", "0", "--reviewer", "Ann"]
        self._process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> "ReviewPage":
        assert self._process.stdout
        first = self._process.stdout.readline()
        link = _LINK.search(first)
        if link is None:
            raise RuntimeError(f"tagger review said no address: {first}")
        self._address, self._invitation = link.groups()
        self._lead: StorageState | None = None
        return self

    def draw(self, browser: Browser, picture: Path, path: str, size: tuple[int, int]) -> None:
        """Photograph one view in a window of WIDTH x HEIGHT pixels."""
        _photograph(browser, f"{self._address}{path}", picture, size, self._signed_in(browser))

    def _signed_in(self, browser: Browser) -> StorageState:
        """The cookies of the lead, who comes in by the printed link."""
        if self._lead is None:
            self._lead = self._join(browser, self._invitation)
        return self._lead

    def _join(self, browser: Browser, invitation: str) -> StorageState:
        page = browser.new_page()
        page.goto(f"{self._address}{invitation}")
        page.get_by_role("main").get_by_role("button").click()
        state = page.context.storage_state()
        page.close()
        return state

    def _invite(self, browser: Browser, name: str) -> str:
        """The path of an invitation."""
        page = browser.new_page(storage_state=self._signed_in(browser))
        page.goto(f"{self._address}/people")
        page.locator("form.invite [name=name]").fill(name)
        page.locator("form.invite button").click()
        link = page.locator("#link").input_value()
        page.close()
        return link.removeprefix(self._address)

    def skip(self, browser: Browser, items: int) -> None:
        """Leave the first items of the queue to somebody else, who has them open."""
        for _ in range(items):
            page = browser.new_page(storage_state=self._join(browser, self._invite(browser, "Berta")))
            page.goto(f"{self._address}/queue")
            page.close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.send_signal(signal.SIGINT)
        self._process.communicate(timeout=60)


def screenshot_of_file(browser: Browser, file: Path, picture: Path, size: tuple[int, int]) -> None:
    """Photograph the top of a page that lies in a file."""
    _photograph(browser, file.as_uri(), picture, size)


def _photograph(
    browser: Browser, address: str, picture: Path, size: tuple[int, int], state: StorageState | None = None
) -> None:
    page = browser.new_page(viewport={"width": size[0], "height": size[1]}, storage_state=state)
    page.goto(address, wait_until="networkidle")
    page.screenshot(path=picture)
    page.close()
