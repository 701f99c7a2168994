"""The commands on a GPU: tagging twice, its speed beside the forward pass, kills in the middle, training."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.gpu_check.setting import Check, Setting, command_line
from tests.kill_runs import Moment, kill_and_repeat, predictions

_TARGETS = ("engine", "worker", "raylet")
_ROUNDS = 2
_BENCH_ITEMS = 65_536


def tag(setting: Setting) -> Iterator[Check]:
    """Two runs of the same many images are equal to the last digit."""
    count = setting.size(400_000, 2_000)
    rows, bundle = setting.rows(count), setting.bundle()
    with setting.gpu_watched("tag"):
        for number in (1, 2):
            said: dict[str, Any] = setting.command(
                "tag", "--manifest", rows, "--images", "column:image", "--model", bundle, "--device", setting.device,
                "--out", setting.work / f"run-{number}", log=f"tag-{number}",
            )  # fmt: skip
            done, seconds = said["counts"]["predictions"], said["taggingSeconds"]
            figure = f"{done:,} rows, {done / max(seconds, 1e-9):,.0f} images/s, engine {said['engine']['engine']}"
            yield Check(f"run {number} tags every row", done == count, figure)
    one, other = (predictions(setting.work / f"run-{number}") for number in (1, 2))
    yield Check("both runs are equal to the last digit", one.equals(other), f"{len(one):,} rows")


def bench(setting: Setting) -> Iterator[Check]:
    """How much of what the forward pass alone does is left end to end."""
    with setting.gpu_watched("bench"):
        said = setting.command(
            "bench", "--manifest", setting.labelled(), "--model", setting.bundle(), "--device", setting.device,
            "--items", setting.size(_BENCH_ITEMS, 1_024), "--rounds", setting.size(_ROUNDS, 1), "--no-baselines",
            "--scratch", setting.work, log="bench",
        )  # fmt: skip
    yield Check("tagger bench ends", True, json.dumps(said)[:2_000])


def faults(setting: Setting) -> Iterator[Check]:
    """A killed engine, worker or raylet hangs nothing, and all rows are there in the end."""
    count = setting.size(200_000, 2_000)
    command = command_line(
        "tag", "--manifest", setting.rows(count), "--images", "column:image", "--model", setting.bundle(), "--device",
        setting.device, "--part-rows", setting.size(4_096, 128),
    )  # fmt: skip
    for target in _TARGETS if setting.device == "cuda" else _TARGETS[1:]:
        out = setting.work / f"killed-{target}"
        name = f"a run whose {target} was killed ends with every row"
        try:
            (killed,) = kill_and_repeat(command, out, Moment(target, after_parts=3))
        except (AssertionError, subprocess.TimeoutExpired) as error:
            yield Check(name, False, str(error)[:2_000])
            continue
        yield Check(name, _rows_add_up(out, count), f"{killed}; {_counts(out)}")


def _counts(run: Path) -> dict[str, Any]:
    counts: dict[str, Any] = json.loads((run / "run.json").read_bytes())["counts"]
    return counts


def _rows_add_up(run: Path, rows: int) -> bool:
    counts = _counts(run)
    return rows == counts["rows"] == counts["predictions"] + counts["rejects"] + counts["skipped"]


def train(setting: Setting) -> Iterator[Check]:
    """Recipes train on the device; how quick, and how long they wait for data, their logs say."""
    with setting.gpu_watched("train"):
        for recipe in ("fast", "standard"):
            out = setting.work / f"trained-{recipe}"
            seconds = setting.train(out, recipe, epochs=1 if setting.is_small else None)
            lines = [line for line in (setting.out / f"{out.name}.log").read_text().splitlines() if "epoch" in line]
            yield Check(f"recipe {recipe} trains", (out / "bundle.json").exists(), f"{seconds:.0f} s; {lines[-1:]}")
