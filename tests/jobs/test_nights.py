"""README's nightly command, night after night: its exit codes, what it looks at, what it decides anew."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tagger.io.location import Location
from tagger.models.bundle import Bundle
from tagger.schemas.documents.bundle import LevelPolicy, Policy
from tagger.schemas.documents.taxonomy import Level
from tagger.similarity.index import VectorIndex
from tests.builders import encoded, picture
from tests.conftest import Outcome

Run = Callable[..., Outcome]
pytestmark = pytest.mark.usefixtures("embedded_ray")
ITEMS, MISSING, NEW = 50, 7, 3
ENGINE = "openvino-cpu-float32"  # with so few images PyTorch would be chosen, which each worker takes seconds to load


class Shop:
    """A shop whose nightly command has --known RUNS, --untagged-only and --max-failed 2%."""

    def __init__(self, tagger: Run, bundle: Bundle, folder: Path) -> None:
        self._tagger = tagger
        self._bundle = bundle
        self.folder = folder
        (folder / "images").mkdir()
        self.offer(range(ITEMS))
        (folder / f"images/{MISSING}.jpg").unlink()
        self.accept_above(0.0)

    def offer(self, items: range) -> None:
        for number in items:
            (self.folder / f"images/{number}.jpg").write_bytes(encoded(picture(seed=number)))
        self.manifest = [*getattr(self, "manifest", []), *(f"{number},," for number in items)]
        (self.folder / "m.csv").write_text("\n".join(["id,masterCategory,articleType", *self.manifest]) + "\n")

    def accept_above(self, threshold: float) -> None:
        """A policy of the bundle; `tagger policy` would have fitted it."""
        level = LevelPolicy(
            target_precision=0.9, accept_above=threshold, coverage=1, precision=None, at_least=None
        )  # fmt: skip
        policy = Policy(probability=0.95, fitted_on=1, levels=dict.fromkeys(Level, level))
        self._bundle.changed(policy=policy).save(Location(str(self.folder / "bundle")))

    def command(self, night: str, *more: object) -> Outcome:
        return self._tagger(
            "tag", "--manifest", self.folder / "m.csv", "--images", self.folder / "images", "--model",
            self.folder / "bundle", "--out", self.folder / "runs" / night, "--known", self.folder / "runs",
            "--untagged-only", "--max-failed", "2%", "--engine", ENGINE, *more,
        )  # fmt: skip

    def night(self, name: str) -> tuple[int, dict[str, Any], str]:
        outcome = self.command(name, "--json")
        return outcome.code, json.loads(outcome.out)["counts"], outcome.err

    def predictions(self, night: str) -> pd.DataFrame:
        return pd.read_parquet(self.folder / "runs" / night / "predictions").set_index("id")

    def applied(self, name: str) -> pd.DataFrame:
        outcome = self._tagger("apply", self.folder / "runs", "--out", self.folder / name)
        assert outcome.code == 0, outcome.err
        return pd.read_csv(self.folder / name / "tags-00000.csv", dtype=str)


@pytest.fixture
def shop(tagger: Run, bundle: Bundle, tmp_path: Path) -> Shop:
    card = bundle.card.model_copy(update={"blur_threshold": 0.0})
    return Shop(tagger, Bundle.identified(card, bundle.weights), tmp_path)


def test_four_nights_in_a_row_and_one_that_breaks(shop: Shop) -> None:
    code, counts, said = shop.night("1")
    assert code == 0, said
    assert "there is no finished run yet; nothing is known" in said
    assert (counts["predictions"], counts["errors"]) == (ITEMS, {"not_found": 1})
    assert counts["decisions"] == {"accept": ITEMS - 1, "failed": 1}

    code, counts, said = shop.night("2")
    assert (code, "nothing is known" in said) == (0, False), said
    assert (counts["predictions"], counts["skipReasons"], counts["known"]) == (1, {"known": ITEMS - 1}, ITEMS - 1)
    assert counts["errors"] == {"not_found": 1}

    shop.offer(range(ITEMS, ITEMS + NEW))
    code, counts, said = shop.night("3")
    assert code == 0, said
    assert set(shop.predictions("3").index) == {str(MISSING), *(str(ITEMS + n) for n in range(NEW))}
    assert (counts["predictions"], counts["redecided"]) == (NEW + 1, 0)
    assert len(shop.applied("lax")) == ITEMS + NEW - 1

    before = pd.concat([shop.predictions("1"), shop.predictions("3")]).dropna(subset="articleType")
    strict = float(np.median(before["articleTypeConfidence"]))
    shop.accept_above(strict)
    code, counts, said = shop.night("4")
    assert code == 0, said
    unsure = set(before.index[before["articleTypeConfidence"].to_numpy() < strict])
    assert counts["redecided"] == len(unsure) == counts["predictions"] - 1
    assert counts["skipReasons"] == {"known": len(before) - len(unsure)}
    anew = shop.predictions("4").drop(index=str(MISSING))
    columns = ["imageDigest", "masterCategory", "articleType", "articleTypeConfidence", "alternatives", "blurScore"]
    assert anew[columns].astype(str).equals(before.loc[anew.index, columns].astype(str))
    assert set(shop.applied("strict")["id"]) == set(before.index) - unsure, "the stricter policy is applied"
    code, counts, said = shop.night("4 again")
    assert (code, counts["redecided"], counts["predictions"]) == (0, 0, 1), said

    for number in range(1, ITEMS + NEW):
        (shop.folder / f"images/{number}.jpg").unlink(missing_ok=True)
    outcome = shop.command("5")
    assert outcome.code == 4
    assert "52 of 53 items (52 looked at and 1 known from earlier runs) failed (98.1%)" in outcome.err
    assert "more than --max-failed 2%" in outcome.err
    assert "not_found 52:" in outcome.out
    assert f"1: there is no file {shop.folder}/images/1.jpg" in outcome.out
    again = shop.command("5")
    assert (again.code, "is done already" in again.err) == (4, True)


def test_an_index_over_nights_has_each_item_once_with_the_vector_of_the_run_that_looked_at_it(
    shop: Shop, tagger: Run
) -> None:
    assert shop.command("1", "--embeddings").code == 0
    first = shop.predictions("1").dropna(subset="articleType")
    shop.accept_above(float(np.median(first["articleTypeConfidence"])))
    shop.offer(range(ITEMS, ITEMS + NEW))
    changed = next(item for item in first.index if first.loc[[item], "decision"].tolist() == ["accept"])
    (shop.folder / f"images/{changed}.jpg").write_bytes(encoded(picture(seed=999)))
    assert shop.command("2", "--embeddings").code == 0
    second = shop.predictions("2").dropna(subset="articleType")
    looked_at = {changed, *(str(ITEMS + n) for n in range(NEW))}
    redecided = set(second.index) - looked_at
    assert len(redecided) > 10
    vectors = pd.read_parquet(shop.folder / "runs/2/embeddings")
    assert set(vectors["id"]) == looked_at, "those of redecided items are the first run's"

    indexed = tagger("index", shop.folder / "runs", "--out", shop.folder / "index", "--json")
    assert indexed.code == 0, indexed.err
    index = VectorIndex(Location(str(shop.folder / "index")))
    ids = index.items["id"].to_pylist()
    assert sorted(ids) == sorted({*first.index, *second.index})
    assert json.loads(indexed.out)["items"] == len(ids)
    digests = dict(zip(ids, index.items["imageDigest"].to_pylist(), strict=True))
    assert digests == {**first["imageDigest"].to_dict(), **second["imageDigest"].to_dict()}
    for item in (changed, str(ITEMS), min(redecided), next(iter(set(first.index) - set(second.index)))):
        image = shop.folder / f"images/{item}.jpg"
        (match,) = json.loads(tagger("similar", shop.folder / "index", "--image", image, "--top", 1, "--json").out)[
            "similar"
        ]
        assert (match["similarId"], match["cosine"]) == (item, pytest.approx(1, abs=2e-3))


def test_what_the_shop_has_taken_over_counts_as_known(shop: Shop) -> None:
    assert shop.night("1")[0] == 0
    labelled = [f"{n},Apparel,Shirts" for n in range(ITEMS) if n != MISSING]
    shop.manifest = labelled
    shop.offer(range(0))
    with (shop.folder / "m.csv").open("a") as out:
        out.write(f"{MISSING},,\n")
    code, counts, said = shop.night("2")
    assert code == 0, said
    assert (counts["predictions"], counts["skipReasons"], counts["known"]) == (1, {"labelled": ITEMS - 1}, ITEMS - 1)


def test_most_rows_rejected_ends_with_4(shop: Shop) -> None:
    rows = [*(f"{n},x" for n in range(9)), "9,,"]
    (shop.folder / "m.csv").write_text("\n".join(["id,masterCategory,articleType", *rows]) + "\n")
    outcome = shop.command("1")
    assert outcome.code == 4
    assert "9 of 10 rows of the manifest were rejected (90%), more than --max-rejected 5%" in outcome.err
    assert "rejects has each with line and reason" in outcome.err
    assert shop.command("2", "--max-rejected", "90%").code == 0


def test_another_policy_under_a_finished_run_is_said_in_words(shop: Shop) -> None:
    assert shop.command("1").code == 0
    shop.accept_above(0.97)
    outcome = shop.command("1", "--max-pixels", "1000000")
    assert outcome.code == 2
    assert (
        "the bundle's policy has changed since (articleType from 0 to 0.97, masterCategory from 0 to 0.97)"
        in outcome.err
    )
    assert "--max-pixels was 100000000 and is 1000000" in outcome.err


def test_a_command_that_is_refused_leaves_no_run(shop: Shop, tagger: Run) -> None:
    outcome = shop.command("1", "--device", "cuda", "--engine", "auto")
    assert outcome.code == 2, "there is no GPU"
    assert not (shop.folder / "runs/1/run.json").exists()
    assert "there is no run in" in tagger("runs", shop.folder / "runs").err
