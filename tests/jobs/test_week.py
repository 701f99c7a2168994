"""A week of a shop: arrivals, corrections, a bad model, an undo, and a night that holds itself; all of it adds up."""

import csv
import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image, ImageFilter
from safetensors.torch import load, save

from tagger.demo.drawn_catalogue import draw_catalogue
from tagger.io.location import Location
from tagger.models.bundle import Bundle
from tagger.schemas.tables.decision import DECISION
from tests.builders import policy
from tests.conftest import Outcome
from tests.jobs.test_nightly import ENGINE
from tests.tagger.pim.runs import write_map
from tests.tagger.registry.test_registry import comparison

Run = Callable[..., Outcome]
pytestmark = pytest.mark.usefixtures("embedded_ray")
MODEL = "models/fashion"
FIELDS: dict[str, dict[str, object]] = {
    "type": {"of": "articleType", "as": "column", "values": "same"},
    "category": {"of": "masterCategory", "as": "column", "values": "same"},
}
Values = tuple[str, str]


class Shop:
    """The shop's export of its items, its pictures, and its PIM, which imports what it is given."""

    def __init__(self, tagger: Run, folder: Path) -> None:
        self._tagger = tagger
        self.folder = folder
        drawn = draw_catalogue(folder / "studio", 1250, seed=11, views=0)
        odd = {*drawn.missing, *drawn.truncated, *drawn.blurry, *drawn.ragged}
        rows = pd.read_csv(drawn.manifest, dtype=str, on_bad_lines="skip").dropna(subset=["id", "articleType"])
        labels = zip(rows["id"], rows["masterCategory"], rows["articleType"], strict=True)
        self.truth: dict[str, Values] = {item: (master, kind) for item, master, kind in labels if item not in odd}
        self.waiting = [item for item in self.truth if (drawn.images / f"{item}.jpg").exists()]
        self.studio = drawn.images
        self.items: list[str] = []
        self.pim: dict[str, Values] = {}
        (folder / "images").mkdir()
        write_map(folder / "map.yaml", "table", FIELDS, key="id")

    def arrive(self, count: int, blurred: bool = False) -> list[str]:
        """New items, of which the PIM has no type yet."""
        new, self.waiting = self.waiting[:count], self.waiting[count:]
        assert len(new) == count
        for item in new:
            self.photograph(item, blurred)
        self.items += new
        self.pim |= dict.fromkeys(new, ("", ""))
        (self.folder / "items.csv").write_text("\n".join(["id", *self.items]) + "\n")
        return new

    def photograph(self, item: str, blurred: bool = False) -> None:
        picture = Image.open(self.studio / f"{item}.jpg").convert("RGB")
        shown = picture.filter(ImageFilter.GaussianBlur(picture.width / 60)) if blurred else picture
        shown.save(self.folder / f"images/{item}.jpg")

    def tag(self, night: str, *more: object, model: str = f"{MODEL}@champion") -> tuple[int, dict[str, Any]]:
        """The nightly command; its exit code and what it prints with --json."""
        done = self._tagger(
            "tag", "--manifest", "items.csv", "--images", "images", "--model", model, "--out", f"runs/{night}",
            "--known", "runs", "--against", "runs", "--qa-sample", "0.1", "--false-alarms", "0.005",
            "--engine", ENGINE, "--json", *more,
        )  # fmt: skip
        return done.code, json.loads(done.out)

    def export(self, name: str, *more: object) -> tuple[Outcome, int]:
        """Export all runs, and import what was written; the number of values that changed in the PIM."""
        self.write_pim()
        done = self._tagger(
            "export", "runs", "--map", "map.yaml", "--current", "pim.csv", "--out", f"exports/{name}", "--max-changes",
            "100%", "--no-pictures", "--json", *more,
        )  # fmt: skip
        return done, self.take_over(self.folder / "exports" / name) if done.code == 0 else 0

    def write_pim(self) -> None:
        with (self.folder / "pim.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["id", "category", "type"])
            writer.writerows((item, *values) for item, values in self.pim.items())

    def take_over(self, folder: Path) -> int:
        """Import the files of an export or an undo; the number of values that have changed."""
        changed = 0
        for file in sorted(folder.glob("table-*.csv")):
            for row in pd.read_csv(file, dtype=str, keep_default_na=False).to_dict("records"):
                category, kind = self.pim[row["id"]]
                new = (row.get("category", category), row.get("type", kind))
                changed += (new[0] != category) + (new[1] != kind)
                self.pim[row["id"]] = new
        return changed

    def undo(self, night: str) -> int:
        """Take a run and its values back, in the PIM, too; the number of values that have changed."""
        self.write_pim()
        done = self._tagger("rollback", f"runs/{night}", "--current", "pim.csv", "--out", f"undo/{night}")
        assert done.code == 0, done.err
        return self.take_over(self.folder / "undo" / night)

    def decide(self, night: str) -> dict[str, Values]:
        """People decide all that waits in a run, as it is; returns what they said."""
        rows, now = [], datetime.now(UTC)
        for row in self.predictions(night):
            if row["decision"] in ("review", "accept_master_only"):
                master, article = self.truth[row["id"]]
                verdict = "accepted" if article == row["articleType"] else "corrected"
                rows.append(
                    {"id": row["id"], "runId": row["runId"], "verdict": verdict, "masterCategory": master,
                     "articleType": article, "decidedBy": "Ann", "decidedAt": now}
                )  # fmt: skip
        (self.folder / "runs" / night / "decisions").mkdir()
        pq.write_table(
            pa.Table.from_pylist(rows, schema=DECISION), self.folder / "runs" / night / "decisions/part-0.parquet"
        )
        return {row["id"]: self.truth[row["id"]] for row in rows}

    def predictions(self, night: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = pq.read_table(self.folder / "runs" / night / "predictions").to_pylist()
        return found

    def values_of(self, *nights: str) -> dict[str, Values]:
        """What runs accept, without a person; later ones last."""
        found: dict[str, Values] = {}
        for night in nights:
            for row in self.predictions(night):
                master, kind = row["masterCategory"], row["articleType"]
                values = {"accept": (master, kind), "accept_master_only": (master, "")}
                found[row["id"]] = values.get(row["decision"], ("", ""))
        return found


def a_bad_model(good: Path, folder: Path) -> Path:
    """A model that is sure, and wrong: it names each class as another one."""
    bundle = Bundle.load(Location(str(good)))
    weights = load(bundle.weights)
    for name in [name for name in weights if name.startswith("head.")]:
        weights[name] = torch.roll(weights[name], 1, 0)
    shutil.copytree(good, folder)
    Bundle.identified(bundle.card, save(weights)).save(Location(str(folder)))
    return folder


@pytest.fixture
def shop(tagger: Run, demo_out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """Its champion is the demo's model, with a policy."""
    monkeypatch.chdir(tmp_path)
    bundle = Bundle.load(Location(str(demo_out / "bundle")))
    shutil.copytree(demo_out / "bundle", tmp_path / "bundle")
    bundle.changed(policy=policy(0.8)).save(Location(str(tmp_path / "bundle")))
    added = tagger("models", "add", "bundle", "--to", MODEL, "--alias", "champion")
    assert added.code == 0, added.err
    return Shop(tagger, tmp_path)


def test_a_week_adds_up(shop: Shop, tagger: Run, tmp_path: Path) -> None:
    # Monday: a first delivery
    monday = shop.arrive(700)
    code, result = shop.tag("1-monday")
    assert code == 0
    assert result["counts"]["rows"] == result["counts"]["predictions"] == 700
    done, changed = shop.export("monday")
    assert done.code == 0, done.err
    expected = shop.values_of("1-monday")
    assert shop.pim == expected
    assert changed == sum(bool(value) for values in expected.values() for value in values) > 400

    # Tuesday: people have decided what waited, and fifty items arrive
    decided = shop.decide("1-monday")
    assert len(decided) > 40
    tuesday = shop.arrive(50)
    code, result = shop.tag("2-tuesday")
    assert code == 0
    counts = result["counts"]
    assert (counts["rows"], counts["predictions"]) == (750, 50)
    assert counts["skipReasons"] == {"known": 700 - len(decided), "decided": len(decided)}
    (promise, _) = result["promises"]
    assert promise["answers"] > 10 and not promise["broken"]
    done, changed = shop.export("tuesday")
    assert done.code == 0, done.err
    expected |= shop.values_of("2-tuesday") | decided
    assert shop.pim == expected

    # Wednesday: a bad model passes its comparison, and tags all that nobody has decided
    bad = a_bad_model(tmp_path / "bundle", tmp_path / "bad")
    assert tagger("models", "add", bad, "--to", MODEL, "--alias", "challenger").code == 0
    versions = json.loads(tagger("models", "list", MODEL, "--json").out)["models"][0]["versions"]
    ids = [version["modelId"] for version in versions]
    passed = comparison(tmp_path / "passed", ids[0], ids[1], only_old=2, only_new=8, items=1000)
    promoted = tagger("models", "promote", f"{MODEL}@challenger", "--comparison", passed)
    assert promoted.code == 0, promoted.err
    wednesday = shop.arrive(50)
    code, result = shop.tag("3-wednesday")
    assert (code, result["modelId"], result["modelName"]) == (0, ids[1], f"{MODEL}@champion")
    counts = result["counts"]
    assert counts["skipReasons"] == {"decided": len(decided)}
    assert counts["predictions"] == 800 - len(decided)
    before = dict(shop.pim)
    done, changed = shop.export("wednesday")
    assert done.code == 0, done.err
    of_bad = before | filled(before, shop.values_of("3-wednesday")) | decided
    assert shop.pim == of_bad, "what the bad model is not sure of keeps the value of before, and waits"
    assert {values for values in shop.pim.values() if all(values)} <= {*shop.truth.values()}, "each under its category"
    wrong = sum(values != shop.truth[item] for item, values in shop.pim.items() if all(values))
    assert wrong > 300, "the shop is full of wrong types"

    # Thursday: the model and its night are taken back, and the champion of before tags what has come since
    assert "champion of fashion is v1, and was v2" in tagger("models", "rollback", MODEL).out
    assert shop.undo("3-wednesday") == changed
    assert shop.pim == before
    thursday = shop.arrive(50)
    code, result = shop.tag("4-thursday")
    assert (code, result["modelId"]) == (0, ids[0])
    assert {row["id"] for row in shop.predictions("4-thursday")} == {*wednesday, *thursday}
    assert result["drift"]["against"] and not result["held"]
    done, _ = shop.export("thursday")
    assert done.code == 0, done.err
    expected |= shop.values_of("4-thursday")
    assert shop.pim == expected

    # Friday: the pictures of a delivery are blurred, and nothing of it leaves
    friday = shop.arrive(80, blurred=True)
    code, result = shop.tag("5-friday")
    assert (code, result["held"]) == (5, True)
    assert result["counts"]["predictions"] == 80
    done, _ = shop.export("friday")
    assert (done.code, "5-friday is held" in done.err) == (5, True)
    assert shop.pim == expected | dict.fromkeys(friday, ("", ""))
    assert [run["state"] for run in states(tagger)] == ["held", "done", "rolled back", "done", "done"]

    # Saturday: the night was taken back, and the pictures were taken again
    assert tagger("rollback", "runs/5-friday").code == 0
    for item in friday:
        shop.photograph(item)
    saturday = shop.arrive(30)
    code, result = shop.tag("6-saturday")
    assert (code, result["held"]) == (0, False), result["drift"]
    assert {row["id"] for row in shop.predictions("6-saturday")} == {*friday, *saturday}
    done, _ = shop.export("saturday")
    assert done.code == 0, done.err

    # Sunday: nothing is new
    code, result = shop.tag("7-sunday", "--exit-if-nothing", "99")
    assert (code, result["counts"]["predictions"]) == (99, 0)
    assert result["counts"]["skipReasons"] == {"known": 960 - len(decided), "decided": len(decided)}
    done, changed = shop.export("sunday")
    assert (done.code, changed) == (0, 0)

    # as if the champion had tagged everything at once, and people had decided what they did
    assert len(shop.items) == len(monday + tuesday + wednesday + thursday + friday + saturday) == 960
    alone = tagger(
        "tag", "--manifest", "items.csv", "--images", "images", "--model", f"{MODEL}@v1", "--out", "alone",
        "--qa-sample", "0.1", "--engine", ENGINE,
    )  # fmt: skip
    assert alone.code == 0, alone.err
    shutil.move("alone", "runs/alone")
    assert shop.pim == shop.values_of("alone") | decided
    shutil.rmtree("runs/alone")
    wrong = sum(values != shop.truth[item] for item, values in shop.pim.items() if all(values))
    assert wrong < 90
    assert [run["state"] for run in states(tagger)] == [
        "done", "done", "rolled back", "done", "rolled back", "done", "done",
    ]  # fmt: skip
    quality = json.loads(tagger("quality", "runs", "--json").out)
    assert (quality["runs"], quality["otherModels"]) == (5, 0), "those that were taken back do not count"


def filled(before: dict[str, Values], after: dict[str, Values]) -> dict[str, Values]:
    """Values after an export: without a new type, an item that has one keeps both."""
    return {item: before[item] if before[item][1] and not new[1] else new for item, new in after.items()}


def states(tagger: Run) -> list[dict[str, Any]]:
    """The runs, the newest first."""
    found: list[dict[str, Any]] = json.loads(tagger("runs", "runs", "--json").out)["runs"]
    return found
