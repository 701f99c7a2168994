"""What people say comes back: the precision of accepted tags, and labels for the next training."""

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tagger import TagConfig, tag
from tagger.demo.drawn_catalogue import Drawn
from tagger.io.location import Location
from tagger.models.bundle import Bundle
from tagger.schemas.tables.decision import DECISION
from tests.conftest import Outcome

Run = Callable[..., Outcome]
pytestmark = pytest.mark.usefixtures("embedded_ray")


@pytest.fixture(scope="module")
def tagged_once(embedded_ray: None, drawn: Drawn, bundle_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that accepts everything, of which a third is looked at."""
    out = tmp_path_factory.mktemp("tagged") / "run"
    inputs = {"manifest": str(drawn.manifest), "images": str(drawn.images), "model": str(bundle_dir), "out": str(out)}
    tag(TagConfig.model_validate({**inputs, "accept_above": 0, "qa_sample": 0.3, "seed": 4}))
    return out


@pytest.fixture
def tagged(tagged_once: Path, tmp_path: Path) -> Path:
    """A copy of that run, to decide about."""
    return shutil.copytree(tagged_once, tmp_path / "run")


def decide(run: Path, rows: list[dict[str, object]]) -> Path:
    folder = run / "decisions"
    folder.mkdir(exist_ok=True)
    common = {"decidedBy": "Ann", "decidedAt": datetime(2026, 1, 1, tzinfo=UTC)}
    pq.write_table(pa.Table.from_pylist([common | row for row in rows], schema=DECISION), folder / "part-00000.parquet")
    return folder


def test_a_random_share_of_what_is_accepted_goes_to_review_and_says_how_precise_it_is(
    tagger: Run, tagged: Path, tmp_path: Path
) -> None:
    found = pd.read_parquet(tagged / "predictions").set_index("id")
    drawn_for_qa = found[[list(r) == ["qa_sample"] for r in found["reviewReasons"]]]
    accepted = found[found["decision"].isin(["accept", "accept_master_only"])]
    assert set(drawn_for_qa["decision"]) == {"review"}
    assert 0.2 < len(drawn_for_qa) / (len(drawn_for_qa) + len(accepted)) < 0.4
    half = drawn_for_qa.iloc[: len(drawn_for_qa) // 2]
    wrong = 3
    decide(
        tagged,
        [
            {
                "id": item,
                "verdict": "corrected" if n < wrong else "accepted",
                "masterCategory": row["masterCategory"],
                "articleType": "Other" if n < wrong else row["articleType"],
            }
            for n, (item, row) in enumerate(half.iterrows())
        ],
    )
    outcome = tagger("quality", tagged, "--target-precision", 0.4, "--out", tmp_path / "q.csv", "--json")
    assert outcome.code == 0, outcome.err
    levels = json.loads(outcome.out)["levels"]
    assert levels["articleType"] | {"lowest": 0, "highest": 0, "atAnyTime": {}} == {
        "drawn": len(drawn_for_qa), "answered": len(half), "right": len(half) - wrong,
        "precision": (len(half) - wrong) / len(half), "lowest": 0, "highest": 0, "target": 0.4,
        "atAnyTime": {},
    }  # fmt: skip
    promised = levels["articleType"]["atAnyTime"]
    assert (promised["items"], promised["verdict"]) == (len(drawn_for_qa) + len(accepted), "open")
    assert promised["lowest"] < levels["articleType"]["lowest"], "it holds at every look"
    assert promised["furtherAnswers"] > 0
    assert levels["masterCategory"]["precision"] == 1.0
    by_class = pd.read_csv(tmp_path / "q.csv")
    assert by_class.groupby("level")["drawn"].sum().to_dict() == {
        "masterCategory": len(drawn_for_qa), "articleType": len(drawn_for_qa)
    }  # fmt: skip
    shown = tagger("quality", tagged)
    assert f"{len(drawn_for_qa) - len(half)} items of the sample still wait" in shown.out
    assert f"articleType: after {len(half)} answers, at least " in shown.out
    assert "Until the whole sample is decided" in shown.out
    targeted = tagger("quality", tagged, "--target-precision", 0.4)
    assert f"The target of 40% is open: about {promised['furtherAnswers']} more answers show it" in targeted.out


def test_a_run_without_a_sample_says_how_to_draw_one(tagger: Run, run_dir: Path) -> None:
    outcome = tagger("quality", run_dir)
    assert (outcome.code, "--qa-sample 0.01" in outcome.err) == (3, True)


def test_a_run_with_another_sample_is_another_run(tagger: Run, tagged: Path, drawn: Drawn, bundle_dir: Path) -> None:
    again = ["tag", "--manifest", drawn.manifest, "--images", drawn.images, "--model", bundle_dir, "--out", tagged]
    outcome = tagger(*again, "--accept-above", 0, "--qa-sample", 0.1, "--seed", 4)
    assert (outcome.code, "--qa-sample" in outcome.err) == (2, True), outcome.err


def test_decisions_train_in_place_of_the_manifests_labels(
    tagger: Run, tagged: Path, trained: Path, drawn: Drawn, small_training: dict[str, object], tmp_path: Path
) -> None:
    """`trained` learnt from the same manifest, without them."""
    labels = pd.read_csv(drawn.manifest, dtype=str, on_bad_lines="skip").drop_duplicates("id").set_index("id")
    unlabelled = labels[labels["articleType"].isna()].index.dropna()[:5]
    known = labels.dropna(subset=["masterCategory", "articleType"]).iloc[0]
    rows: list[dict[str, object]] = [
        {"id": i, "verdict": "accepted", "masterCategory": known["masterCategory"], "articleType": known["articleType"]}
        for i in unlabelled
    ]
    rows.append({"id": known.name, "verdict": "unusable"})
    decide(tagged, rows)
    settings = [f"--{name.replace('_', '-')}={value}" for name, value in small_training.items()]
    common = ["train", "--manifest", drawn.manifest, "--images", drawn.images, *settings, "--epochs", 1]
    with_them = tagger(*common, "--decisions", tagged, "--decision-weight", 2, "--out", tmp_path / "with")
    assert with_them.code == 0, with_them.err
    assert "6 review decisions (5 new, 1 removed); 5 of the items train, each 2 times an epoch" in " ".join(
        with_them.err.split()
    )
    sides = [
        pd.read_parquet(bundle / "splits.parquet").set_index("id")["split"] for bundle in (tmp_path / "with", trained)
    ]
    assert set(sides[0].loc[list(unlabelled)]) == {"train"}
    assert known.name not in sides[0].index
    assert set(sides[1].index) - set(sides[0].index) == {known.name}
    assert Bundle.load(Location(str(tmp_path / "with"))).card.provenance.config["decisions"] == [str(tagged)]
    wrong = tagger(*common, "--decisions", drawn.images, "--out", tmp_path / "x")
    assert wrong.code == 2, wrong.err
    foreign = tagger(*common, "--decisions", tagged / "predictions", "--out", tmp_path / "x")
    assert (foreign.code, "holds no review decisions" in foreign.err) == (3, True)
