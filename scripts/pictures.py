"""Draws the pictures of the documentation from a demo: `make pictures`, or `python -m scripts.pictures [--demo DIR]`.

Needs Chromium. Everything in the pictures is drawn by `tagger demo`; nothing is fetched.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from scripts.shown_page import ReviewPage, screenshot_of_file
from scripts.shown_terminal import Terminal

PICTURES = Path(__file__).parent.parent / "docs/pictures"
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_CATALOGUE = ("--manifest", "styles.csv", "--images", "images/")
_HERO = """<!doctype html><meta charset="utf-8"><style>
  body {{ margin: 0; width: 1720px; height: 600px; position: relative; background: #e9f1f0; overflow: hidden; }}
  img {{ position: absolute; border-radius: 10px; box-shadow: 0 8px 30px rgb(0 0 0 / .28); }}
  .terminal {{ left: 36px; top: 36px; width: 800px; }}
  .page {{ left: 868px; top: 36px; width: 816px; }}
</style><img class="terminal" src="{terminal}"><img class="page" src="{page}">"""


def main() -> int:
    """Draw all pictures into docs/pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--demo", type=Path, help="what `tagger demo` wrote; without it, a demo is made first")
    demo = parser.parse_args().demo
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as playwright:
        folder = Path(temporary)
        _lay_out(folder, demo or _new_demo(folder / "demo-out"))
        executable = next((path for name in _BROWSERS if (path := shutil.which(name))), None)
        browser = playwright.chromium.launch(executable_path=executable)
        _draw(browser, folder)
        browser.close()
    for picture in sorted(PICTURES.glob("*.png")):
        _with_fewer_colours(picture)
        print(f"{picture.name}: {picture.stat().st_size / 1000:.0f} kB")
    return 0


def _with_fewer_colours(picture: Path) -> None:
    """A palette of 256 colours, which the eye hardly sees, makes a third of the bytes."""
    with Image.open(picture) as image:
        small = image.convert("RGB").quantize(256, dither=Image.Dither.NONE)
    small.save(picture, optimize=True)


def _new_demo(out: Path) -> Path:
    """A demo whose model is trained for so short a time that it is unsure of some items."""
    command = [sys.executable, "-m", "tagger.jobs.demo", "--out", str(out), "--epochs", "4"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return out


def _lay_out(folder: Path, demo: Path) -> None:
    """Put the demo's files where a reader would have them."""
    shutil.copy(demo / "catalogue/styles.csv", folder / "styles.csv")
    shutil.copytree(demo / "catalogue/images", folder / "images")
    shutil.copytree(demo / "bundle", folder / "bundle")


def _draw(browser: Browser, folder: Path) -> None:
    terminal = Terminal(browser, folder)
    terminal.draw(PICTURES / "terminal-help.png", ("--help",), lines=60)
    terminal.draw(PICTURES / "terminal-train-help.png", ("train", "--help"), lines=44)
    terminal.draw(PICTURES / "terminal-check.png", ("check", *_CATALOGUE), lines=16)
    terminal.draw(PICTURES / "terminal-tag.png", ("tag", *_CATALOGUE, "--model", "bundle", "--out", "run-1"), lines=34)
    more = folder / "more"  # a run of the same name, of which more waits for a person
    command = [sys.executable, "-m", "tagger.jobs.tag", *_CATALOGUE, "--model", "bundle", "--out", str(more / "run-1")]
    subprocess.run([*command, "--qa-sample", "0.3"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    with ReviewPage(folder, "more/run-1") as page:
        page.draw(browser, PICTURES / "review-grid.png", "/grid", size=(1180, 760))
        page.skip(browser, items=1)  # the blurry one
        page.draw(browser, PICTURES / "review-queue.png", "/queue", size=(1180, 760))
    hero = folder / "hero.html"
    images = {"terminal": PICTURES / "terminal-tag.png", "page": PICTURES / "review-queue.png"}
    hero.write_text(_HERO.format(**{name: picture.as_uri() for name, picture in images.items()}))
    screenshot_of_file(browser, hero, PICTURES / "overview.png", (1720, 600))


if __name__ == "__main__":
    sys.exit(main())
