"""Pictures of commands in a terminal: run as on one, drawn by rich, photographed by a browser."""

import os
import re
import subprocess
import sys
from io import StringIO
from pathlib import Path

from playwright.sync_api import Browser
from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

_WIDTH = 100
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-HJKSTfhlsu]|\r")
_STEP = re.compile(r"(\x1b\[[0-9;]*m)*[›!]")
_SVG_FONT = re.compile(r"@font-face \{.*?\}", re.DOTALL)
_THEME = TerminalTheme(
    (30, 34, 42),
    (222, 226, 230),
    [(30, 34, 42), (255, 121, 121), (126, 211, 160), (240, 200, 110),
     (122, 176, 255), (214, 156, 255), (110, 210, 220), (222, 226, 230)],
)  # fmt: skip


class Terminal:
    """Draws commands that are run in a folder."""

    def __init__(self, browser: Browser, folder: Path) -> None:
        self._browser = browser
        self._folder = folder

    def draw(self, picture: Path, words: tuple[str, ...], lines: int) -> None:
        """Run `tagger WORDS`, and draw the command with the first lines of what it says.

        Raises:
            CalledProcessError: when the command fails.
        """
        environment = {**os.environ, "FORCE_COLOR": "1", "COLUMNS": str(_WIDTH)}
        command = [sys.executable, "-m", "tagger.jobs.shell.cli", *words]
        done = subprocess.run(
            command, cwd=self._folder, env=environment, capture_output=True, text=True, check=True, timeout=600
        )
        steps = [line for line in _CONTROL.sub("", done.stderr).splitlines() if _STEP.match(line)]
        results = done.stdout.rstrip().splitlines()
        self._photograph(picture, words, [*steps, *results][:lines])

    def _photograph(self, picture: Path, words: tuple[str, ...], lines: list[str]) -> None:
        console = Console(record=True, width=_WIDTH, file=StringIO(), force_terminal=True)
        console.print(Text.assemble(("$ ", "bold green"), (f"tagger {' '.join(words)}", "bold")))
        for line in lines:
            console.print(Text.from_ansi(line.replace(str(self._folder), "~/shop")), no_wrap=True, crop=True)
        console.print()
        svg = _SVG_FONT.sub("", console.export_svg(title="tagger", theme=_THEME)).replace(
            "Fira Code", "DejaVu Sans Mono"
        )
        file = self._folder / "terminal.html"
        file.write_text(f'<!doctype html><meta charset="utf-8"><body style="margin:0">{svg}')
        page = self._browser.new_page(device_scale_factor=1.25)
        page.goto(file.as_uri())
        page.locator("svg").first.screenshot(path=picture, omit_background=True)
        page.close()
