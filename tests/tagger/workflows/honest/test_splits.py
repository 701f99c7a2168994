"""What a split's bundle shows of its test items."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tagger.dataset.split_rule import SplitRule
from tagger.dataset.splits_file import SPLITS_FILE
from tagger.evaluation.metrics import Evaluation, Predicted
from tagger.io.location import Location
from tagger.models.bundle import Bundle
from tagger.schemas.configs.train import ResultsConfig
from tagger.schemas.documents.taxonomy import Level
from tagger.schemas.tables.prediction import Evidence
from tagger.workflows.held_out_predictions import HeldOut
from tagger.workflows.honest.evidence import BasedOn
from tagger.workflows.honest.figures import BY_TIME
from tagger.workflows.honest.splits import Trained


@pytest.fixture
def newest(bundle: Bundle, tmp_path: Path) -> Trained:
    """A bundle of old items: of 20 test items, the last 8 are of a type that it hardly trained, and all wrong."""
    train = [(f"train-{n}", "train") for n in range(40)]
    test = [(f"test-{n}", "test") for n in range(20)]
    pd.DataFrame(train + test, columns=["id", "split"]).to_parquet(tmp_path / SPLITS_FILE)
    truth = np.array(["Tshirts"] * 12 + ["Watches"] * 8, object)
    types = Predicted(truth, np.array(["Tshirts"] * 20, object), np.full(20, 0.6))
    evaluation = Evaluation("test", dict.fromkeys(Level, types), items=pd.DataFrame({"id": [name for name, _ in test]}))
    provenance = bundle.card.provenance.model_copy(update={"split_items": {"train": 40}})
    rule = SplitRule("time", {}, 0, time_by="year")
    return Trained(
        BY_TIME, rule, Location(str(tmp_path)), bundle.changed(provenance=provenance),
        BasedOn(Evidence.IMAGE, HeldOut(evaluation, np.zeros(20, bool)), np.full(20, Evidence.IMAGE, object)),
    )  # fmt: skip


def test_a_split_says_how_many_test_items_are_of_types_that_it_hardly_trains(newest: Trained) -> None:
    learnt = newest.lines(np.array(["Tshirts"] * 31 + ["Watches"] * 9, object), newest.sides.index)[0].learnt
    assert learnt is not None
    assert (learnt.train_items, learnt.few_items, learnt.unlearnt_items) == (40, 8, 0)
    assert learnt.others is not None
    assert learnt.others.value == 1
    ten = newest.lines(np.array(["Tshirts"] * 30 + ["Watches"] * 10, object), newest.sides.index)[0].learnt
    assert ten is not None
    assert ten.others is not None
    assert (ten.few_items, ten.others.value) == (0, 0.6)


def test_a_split_whose_test_items_are_all_of_such_types_has_no_others(newest: Trained) -> None:
    learnt = newest.lines(np.array(["Boots"] * 40, object), newest.sides.index)[0].learnt
    assert learnt is not None
    assert (learnt.few_items, learnt.others) == (20, None)


def test_items_that_only_other_splits_have_are_counted_as_left_out(newest: Trained) -> None:
    learnt = newest.lines(np.array(["Tshirts"] * 40, object), newest.sides.index.append(pd.Index(["a", "b"])))[0].learnt
    assert learnt is not None
    assert learnt.unlearnt_items == 2


def test_what_a_bundle_could_not_learn_is_left_out_with_its_reason(newest: Trained) -> None:
    config = ResultsConfig(manifest="m", images="i", out="o", honest=True, title=["name"], evidence=["sku", "size"])
    provenance = newest.bundle.card.provenance.model_copy(update={"evidence_left_out": {"--title name": "no word"}})
    trained = dataclasses.replace(newest, bundle=newest.bundle.changed(provenance=provenance))
    left_out = {one.figure: one.why for one in trained.left_out(config)}
    assert left_out["by time, --title name"] == "no word"
    assert list(left_out) == ["by time, --title name", "by time, --evidence sku,size"]
