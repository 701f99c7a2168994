"""Further tags of a run against their labels, and its accuracy by what the predictions are based on."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tagger.evaluation.shares import percent, with_interval
from tagger.models.bundle import Bundle
from tests.conftest import Outcome
from tests.jobs.test_evaluate import evaluated, judged, make_run
from tests.tagger.workflows.test_taught_page import rows_of

__all__ = ["judged"]
Run = Callable[..., Outcome]
pytestmark = pytest.mark.slow
_ATTRIBUTES = {"size": ("small", "large"), "season": ("Summer", "Winter")}


@pytest.fixture
def labelled(judged: Path, bundle: Bundle) -> pd.DataFrame:
    """The 19 items that count, with labels and predictions of `size`; the manifest has no `season`.

    Two of them have no label, one has a value that the run does not know, one is written in capitals.
    """
    leaf, other = bundle.card.taxonomy.leaves[0], bundle.card.taxonomy.leaves[-1]
    numbers = np.arange(55)
    items = pd.DataFrame({
        "id": numbers.astype(str), "value": np.where(numbers % 3 == 0, "large", "small"),
        "confidence": 0.5 + 0.008 * numbers, "label": np.where(numbers % 2, "small", "large"),
        "evidence": np.where(numbers % 4 == 0, "image", "image+title"),
    })  # fmt: skip
    items.loc[[20, 21, 22, 24], "label"] = ["NA", "", "huge", " LARGE"]
    items["decision"] = np.where(items["confidence"] >= 0.75, "accept", "review")
    season = {"name": "season", "value": "Summer", "confidence": 0.9, "decision": "accept", "evidence": "image"}
    more: dict[str, dict[str, object]] = {}
    for row in items.to_dict("records"):
        size = {"name": "size"} | {name: row[name] for name in ("value", "confidence", "decision", "evidence")}
        more[str(row["id"])] = {"evidence": row["evidence"], "attributes": [season, size]}
    more["39"] = {"attributes": None}  # it failed
    shutil.rmtree(judged / "run")
    leaves = {str(n): other if n == 30 else leaf for n in range(55)}
    make_run(judged / "run", bundle, leaves, {"39"}, more, _ATTRIBUTES)
    manifest = pd.read_csv(judged / "m.csv", dtype=str, keep_default_na=False)
    manifest["size"] = items.set_index("id")["label"].reindex(manifest["id"]).fillna("").to_numpy()
    manifest.to_csv(judged / "m.csv", index=False)
    return items.iloc[20:39]


def test_further_tags_are_evaluated_as_counted_by_hand(tagger: Run, judged: Path, labelled: pd.DataFrame) -> None:
    document, said = evaluated(tagger, judged)
    counted = labelled[~labelled["label"].isin(["NA", ""])].replace({"label": {" LARGE": "large"}})
    right = counted["label"] == counted["value"]
    accepted = counted["decision"] == "accept"
    assert 0 < accepted.sum() < len(counted) == 17
    size = document["attributes"]["size"]  # type: ignore[index]
    assert (size["values"], size["items"], size["unknownValues"]) == (2, 17, 1)
    together = size["by"]["all"]
    assert together["accuracy"] == pytest.approx(right.mean())
    assert together["coverage"] == pytest.approx(accepted.mean())
    assert together["acceptedPrecision"] == pytest.approx(right[accepted].mean())
    by_title = counted["evidence"] == "image+title"
    assert size["by"]["image+title"]["items"] == by_title.sum()
    assert size["by"]["image+title"]["accuracy"] == pytest.approx(right[by_title].mean())
    bins = (counted["confidence"] * 15).astype(int)
    gaps = [
        (bins == b).mean() * abs(counted["confidence"][bins == b].mean() - right[bins == b].mean()) for b in set(bins)
    ]
    assert together["expectedCalibrationError"] == pytest.approx(sum(gaps), abs=1e-6)

    assert list(document["attributesNotEvaluated"]) == ["season"]  # type: ignore[call-overload]
    assert "season, which the run predicts, is not evaluated: the manifest has no such column" in said
    by_value = pd.read_csv(judged / "e/per-value.csv").query("evidence == 'all'").set_index("value")
    hits = (right & (counted["label"] == "large")).sum()
    assert by_value.loc["large", "recall"] == pytest.approx(hits / (counted["label"] == "large").sum(), abs=1e-4)
    assert by_value.loc["large", "precision"] == pytest.approx(hits / (counted["value"] == "large").sum(), abs=1e-4)
    text = (judged / "e/index.html").read_text()
    (row,) = (row for row in rows_of(text, "further-tags") if "all that each item shows" in row)
    assert row[3] == with_interval(right.mean(), len(right))
    assert row[6:] == [percent(accepted.mean(), len(right)), with_interval(right[accepted].mean(), accepted.sum())]
    assert [r[4] for r in rows_of(text, "further-tags") if "image" in r] == ["–"], "no value has five of these items"
    assert "<strong>season</strong> is not measured: the manifest has no such column" in text


def test_accuracy_is_shown_by_what_predictions_are_based_on(tagger: Run, judged: Path, labelled: pd.DataFrame) -> None:
    document, _ = evaluated(tagger, judged)
    by_title = labelled["evidence"] == "image+title"
    of_title = document["byEvidence"]["image+title"]  # type: ignore[index]
    assert of_title["share"] == pytest.approx(by_title.mean())
    assert of_title["levels"]["articleType"]["items"] == by_title.sum()
    assert of_title["levels"]["articleType"]["accuracy"] == pytest.approx((by_title.sum() - 1) / by_title.sum())
    assert json.loads((judged / "e/by-evidence.json").read_text()) == document["byEvidence"]
    text = (judged / "e/index.html").read_text()
    top = text[: text.index('<h3 id="cannot">')]
    assert f"{percent(by_title.mean(), len(by_title))} by image and title" in top
    by_image = ["image", "5", percent(1 - by_title.mean(), len(by_title)), with_interval(1.0, 5)]
    assert by_image in [row[:4] for row in rows_of(text, "evidence")]
    shown = tagger("evaluate", "--run", judged / "run", "--manifest", judged / "m.csv", "--out", judged / "e").out
    assert "By what the predictions are based on" in shown and "Further tags" in shown
    assert "Of size, 1 label is a value that the run does not know" in shown


def test_a_tag_without_a_label_of_what_counts_is_named_and_earlier_figures_are_deleted(
    tagger: Run, judged: Path, labelled: pd.DataFrame
) -> None:
    evaluated(tagger, judged)
    assert (judged / "e/per-value.csv").exists()
    manifest = pd.read_csv(judged / "m.csv", dtype=str).assign(size="NA")
    manifest.to_csv(judged / "m.csv", index=False)
    document, said = evaluated(tagger, judged)
    assert document["attributes"] == {}
    assert "size, which the run predicts, is not evaluated: no item that counts has both a label" in said
    assert not (judged / "e/per-value.csv").exists()


def test_a_run_of_images_alone_has_no_such_section(tagger: Run, judged: Path) -> None:
    document, _ = evaluated(tagger, judged)
    assert (document["attributes"], document["attributesNotEvaluated"]) == ({}, {})
    text = (judged / "e/index.html").read_text()
    assert 'id="evidence"' not in text and 'id="further-tags"' not in text and 'class="note"' not in text
