"""What every step of the check works with: a device, a catalogue of JPEGs in Parquet, and a bundle."""

import csv
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tagger.demo.drawn_catalogue import draw_catalogue

_IMAGES = 5_000
_ROWS_A_FILE = 50_000
_LABELS = ("masterCategory", "articleType")
_MIN_ITEMS = "40"


@dataclass(frozen=True)
class Check:
    """Something that must be so, and the figure that says whether it is."""

    name: str
    holds: bool
    figure: str

    def __str__(self) -> str:
        return f"{'ok    ' if self.holds else 'FAILED'} {self.name}: {self.figure}"


@dataclass(frozen=True)
class Setting:
    """Where a step runs, and on what."""

    device: str
    is_small: bool
    """Far fewer items: a dry run, whose rates mean nothing."""
    out: Path
    """Logs and figures."""
    work: Path
    """Catalogues, bundles and runs."""
    catalogue: Path | None
    """Parquet with id, both labels and image; drawn where there is none."""

    def size(self, whole: int, small: int) -> int:
        """A number of items, epochs or seconds: the one for a dry run where this is one."""
        return small if self.is_small else whole

    def labelled(self) -> Path:
        """The catalogue to learn from."""
        if self.catalogue:
            return self.catalogue
        file = self.work / "labelled.parquet"
        if not file.exists():
            _draw(self.work / "drawn", file, self.size(_IMAGES, 1_000))
        return file

    def images(self) -> list[bytes]:
        """The catalogue's images, as they are stored."""
        images: list[bytes] = pq.read_table(self.labelled(), columns=["image"])["image"].to_pylist()
        return images

    def rows(self, count: int) -> Path:
        """A folder of Parquet files with so many images that all differ in their last bytes."""
        folder = self.work / f"rows-{count}"
        if folder.exists():
            return folder
        images = self.images()
        unfinished = self.work / f"rows-{count}-unfinished"
        unfinished.mkdir(parents=True, exist_ok=True)
        for first in range(0, count, _ROWS_A_FILE):
            numbers = range(first, min(count, first + _ROWS_A_FILE))
            data = [images[i % len(images)] + i.to_bytes(8, "big") for i in numbers]
            table = pa.table({"id": [f"item-{i}" for i in numbers], "image": pa.array(data, pa.binary())})
            pq.write_table(table, unfinished / f"{first:09d}.parquet", row_group_size=5_000, compression="none")
        return unfinished.rename(folder)

    def bundle(self) -> Path:
        """A bundle of the recipe `standard`, trained here."""
        folder = self.work / "bundle"
        if not (folder / "bundle.json").exists():
            self.train(folder, "standard", epochs=self.size(6, 1))
        return folder

    def train(self, out: Path, recipe: str, epochs: int | None = None) -> float:
        """Train a recipe from scratch; return the seconds that it took."""
        started = time.monotonic()
        more = ["--epochs", str(epochs)] if epochs else []
        self.command(
            "train", "--manifest", self.labelled(), "--images", "column:image", "--recipe", recipe, "--weights", "none",
            "--min-items", _MIN_ITEMS, "--device", self.device, "--out", out, *more, log=out.name,
        )  # fmt: skip
        return time.monotonic() - started

    def command(self, *arguments: object, log: str, timeout_s: float = 560) -> dict[str, object]:
        """Run a command with `--json`; its words go to a log, its document comes back.

        Raises:
            CommandError: when it ends with another code than 0, with the last of what it said.
            subprocess.TimeoutExpired: when it does not end.
        """
        said = self.out / f"{log}.log"
        with said.open("w") as words:
            done = subprocess.run(
                [*command_line(*arguments), "--json"],
                stdout=subprocess.PIPE,
                stderr=words,
                text=True,
                timeout=timeout_s,
            )
        if done.returncode:
            raise CommandError(f"{arguments[0]} ended with {done.returncode}: {said.read_text()[-2_000:]}")
        (self.out / f"{log}.json").write_text(done.stdout)
        document: dict[str, object] = json.loads(done.stdout)
        return document

    @contextmanager
    def gpu_watched(self, name: str) -> Iterator[None]:
        """Have the GPU's load, memory and clock each second in a file meanwhile."""
        if self.device != "cuda":
            yield
            return
        with (self.out / f"gpu-{name}.txt").open("w") as file:
            watcher = subprocess.Popen(["nvidia-smi", "dmon", "-s", "pucm", "-d", "1", "-o", "T"], stdout=file)
            try:
                yield
            finally:
                watcher.terminate()
                watcher.wait()


class CommandError(Exception):
    """A command that should have ended well did not."""


def command_line(*arguments: object) -> list[str]:
    """The `tagger` command with these arguments, by this interpreter."""
    return [sys.executable, "-P", "-m", "tagger.jobs.shell.cli", *map(str, arguments)]


def _draw(folder: Path, file: Path, items: int) -> None:
    drawn = draw_catalogue(folder, items, unlabelled=0, oddities=False, views=0)
    rows = []
    for item in _labelled_items(drawn.manifest):
        path = drawn.images / f"{item['id']}.jpg"
        if path.is_file():
            rows.append({"id": item["id"], **{level: item[level] for level in _LABELS}, "image": path.read_bytes()})
    pq.write_table(pa.Table.from_pylist(rows), file, compression="none", row_group_size=1_000)


def _labelled_items(manifest: Path) -> list[dict[str, str]]:
    with manifest.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))
