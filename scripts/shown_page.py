"""Pictures of web pages: the review page of a run, and files."""

import re
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType

from playwright.sync_api import Browser

_ADDRESS = re.compile(r"http://\S+?:\d+")


class ReviewPage:
    """`tagger review` over a run, for as long as its pictures are taken."""

    def __init__(self, folder: Path, run: str) -> None:
        command = [sys.executable, "-m", "tagger.jobs.review", "--run", run, "--port", "0", "--reviewer", "Ann"]
        self._process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> "ReviewPage":
        assert self._process.stdout
        first = self._process.stdout.readline()
        address = _ADDRESS.search(first)
        if address is None:
            raise RuntimeError(f"tagger review said no address: {first}")
        self._address = address[0]
        return self

    def draw(self, browser: Browser, picture: Path, path: str, size: tuple[int, int]) -> None:
        """Photograph one view in a window of WIDTH x HEIGHT pixels."""
        _photograph(browser, f"{self._address}{path}", picture, size)

    def skip(self, browser: Browser, items: int) -> None:
        """Leave the first items of the queue to somebody else, who has them open."""
        for _ in range(items):
            page = browser.new_page()
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


def _photograph(browser: Browser, address: str, picture: Path, size: tuple[int, int]) -> None:
    page = browser.new_page(viewport={"width": size[0], "height": size[1]})
    page.goto(address, wait_until="networkidle")
    page.screenshot(path=picture)
    page.close()
