"""What policies promise by the image alone and by all evidence, on predictions that are drawn."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tagger.confidence.target import fit_policy
from tagger.evaluation.metrics import Evaluation
from tagger.io.location import Location
from tagger.models.bundle import Bundle
from tagger.schemas.documents.taxonomy import Level
from tagger.schemas.tables.prediction import Evidence
from tagger.workflows.evidence_held_out import HELD_OUT
from tagger.workflows.held_out_predictions import HeldOut
from tagger.workflows.honest.evidence import BasedOn, by_all, by_kind
from tagger.workflows.honest.promises import promises_of

IMAGE, BOTH = Evidence.IMAGE, Evidence.IMAGE_AND_TITLE


def drawn(items: int, seed: int, sure: float, first: int = 0) -> HeldOut:
    """Honest confidences, higher the greater `sure` is; the tenth part of the items is blurry."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame({"id": [f"item {n}" for n in range(first, first + items)]})
    for level, more in ((Level.MASTER_CATEGORY, 50), (Level.ARTICLE_TYPE, 1)):
        confidence = rng.beta(sure * more, 1, items).astype(np.float32)
        named = rng.choice(["x", "y"], items)
        table[f"{level}Confidence"], table[str(level)] = confidence, named
        table[f"{level}True"] = np.where(rng.random(items) < confidence, named, "other")
    return HeldOut(Evaluation.of_table("test", table), np.arange(items) % 10 == 0)


def only_first(held_out: HeldOut, items: int) -> HeldOut:
    chosen = np.arange(len(held_out.doubted)) < items
    return HeldOut(held_out.predicted.only(chosen), held_out.doubted[chosen])


def accepted_of(fitting: HeldOut, test: HeldOut, goal: float) -> np.ndarray:
    """Which test items the policy accepts, by its thresholds."""
    levels = fit_policy(*fitting, dict.fromkeys(Level, goal), 0.95, class_items=0).levels
    sure = [test.predicted.levels[level].confidence >= (levels[level].accept_above or np.inf) for level in Level]
    return np.asarray(sure[0] & sure[1] & ~test.doubted)


def test_each_prediction_is_decided_by_the_policy_of_what_it_is_based_on() -> None:
    fitting = {IMAGE: drawn(4000, 0, 8), BOTH: drawn(3000, 1, 300)}
    by_image, with_title = drawn(1000, 2, 8), drawn(600, 3, 300)
    right = [held_out.predicted.levels[Level.ARTICLE_TYPE].right for held_out in (with_title, by_image)]
    table = pd.concat([with_title.predicted.table(), by_image.predicted.table()[600:]], ignore_index=True)
    held_out = HeldOut(Evaluation.of_table("test", table), np.concatenate([with_title.doubted, by_image.doubted[600:]]))
    kinds = np.array([BOTH] * 600 + [IMAGE] * 400, object)
    promises = promises_of("control", fitting, [BasedOn(BOTH, held_out, kinds)])
    for promise in promises:
        titled = accepted_of(fitting[BOTH], with_title, promise.target)
        others = accepted_of(fitting[IMAGE], by_image, promise.target)[600:]
        assert promise.accepted == titled.sum() + others.sum()
        assert promise.precision is not None
        assert promise.precision.value == pytest.approx(
            (right[0][titled].sum() + right[1][600:][others].sum()) / promise.accepted
        )
        assert promise.held == (promise.precision.value >= promise.target)
        assert promise.unshown == ({} if others.any() else {IMAGE: 400})
    assert [promise.target for promise in promises] == [0.95, 0.98, 0.99]
    assert promises[0].accepted > promises[1].accepted > 0
    assert promises[0].fitted_on == 4000


def test_a_kind_of_evidence_without_fitting_items_accepts_nothing_and_is_counted() -> None:
    test = drawn(500, 4, 80)
    kinds = np.array([BOTH] * 200 + [IMAGE] * 300, object)
    promise = promises_of("control", {IMAGE: drawn(4000, 0, 80)}, [BasedOn(BOTH, test, kinds)])[0]
    assert promise.accepted == accepted_of(drawn(4000, 0, 80), test, 0.95)[200:].sum()
    assert promise.unshown == {BOTH: 200}


def test_intervals_of_brands_are_wider_where_items_of_a_brand_are_alike() -> None:
    fitting, test = {IMAGE: drawn(4000, 0, 40)}, drawn(1000, 2, 40)
    wrong = ~test.predicted.levels[Level.ARTICLE_TYPE].right
    brands = np.where(wrong, "bad", np.array([f"brand {n % 20}" for n in range(1000)])).astype(object)
    of_image = BasedOn(IMAGE, test, np.full(1000, IMAGE, object))
    alone, grouped = (promises_of("control", fitting, [of_image], of)[0] for of in (None, [brands]))
    assert alone.precision and grouped.precision
    assert alone.precision.value == grouped.precision.value < 1
    assert alone.precision.low and grouped.precision.low and grouped.precision.high
    assert grouped.precision.low < alone.precision.low
    assert grouped.precision.high == 1, "some draws lack the brand of all mistakes"


def test_all_evidence_is_the_richest_that_an_item_has_in_the_order_of_the_items(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "report").mkdir()
    folder, by_image = Location(str(tmp_path)), drawn(100, 0, 5)
    kinds = {
        IMAGE: by_image.predicted.table(),
        Evidence.IMAGE_AND_COLUMNS: drawn(80, 1, 5).predicted.table()[::-1],
        Evidence.IMAGE_TITLE_AND_COLUMNS: drawn(50, 2, 5, first=40).predicted.table().sample(frac=1, random_state=0),
        Evidence.TITLE: drawn(100, 3, 5).predicted.table(),
    }
    kinds[IMAGE].assign(blurScore=1.0).to_parquet(tmp_path / "report/items.parquet")
    assert by_all(folder, bundle, "test") is None, "the bundle knows nothing but the image"
    for kind in list(kinds)[1:]:
        kinds[kind].assign(blurScore=np.inf).to_parquet(tmp_path / "report" / HELD_OUT[kind]["test"])
    joined = by_all(folder, bundle, "test")
    assert joined is not None
    assert joined.evidence == Evidence.IMAGE_TITLE_AND_COLUMNS
    assert joined.ids == by_kind(folder, bundle, "test", IMAGE).ids
    richest = [*[Evidence.IMAGE_AND_COLUMNS] * 40, *[Evidence.IMAGE_TITLE_AND_COLUMNS] * 50, *[IMAGE] * 10]
    assert joined.kinds.tolist() == richest
    confidence = {kind: table.set_index("id")["articleTypeConfidence"] for kind, table in kinds.items()}
    assert joined.types.confidence.tolist() == [
        confidence[kind][item] for kind, item in zip(richest, joined.ids, strict=True)
    ]
    assert joined.held_out.doubted.tolist() == [False] * 90 + [True] * 10
