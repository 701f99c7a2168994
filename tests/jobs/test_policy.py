"""The policy job on a bundle whose report says what it predicted for its held-out items."""

import html
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tagger import Tagger
from tagger.demo.drawn_catalogue import Drawn
from tagger.evaluation.page import SECTIONS, SUMMARY
from tagger.evaluation.shares import percent, with_interval
from tagger.io.location import Location
from tagger.models.bundle import Bundle
from tagger.schemas.configs.confidence import PolicyConfig
from tagger.schemas.documents.taxonomy import Level
from tagger.schemas.tables.prediction import Decision, Evidence
from tagger.workflows.policy import fit_policy, try_policy
from tests.conftest import Outcome

Run = Callable[..., Outcome]
pytestmark = pytest.mark.slow


@pytest.fixture
def measured(bundle: Bundle, bundle_dir: Path, tmp_path: Path) -> Path:
    """A bundle with honest predictions on 4,000 control and 4,000 test items, and on val ones that claim too much."""
    folder = tmp_path / "bundle"
    shutil.copytree(bundle_dir, folder)
    (folder / "report").mkdir()
    rng = np.random.default_rng(5)
    leaves = bundle.card.taxonomy.leaves
    for name in ("val-items", "control-items", "items"):
        chosen = rng.integers(0, len(leaves), 4000)
        table = pd.DataFrame({"id": [f"{name}-{n}" for n in range(4000)], "imageRef": "", "blurScore": 1e6})
        for level, sure in ((Level.MASTER_CATEGORY, 60), (Level.ARTICLE_TYPE, 8)):
            confidence = rng.beta(sure, 1, 4000).astype(np.float32)
            named = np.array([getattr(leaves[n], str(level)) for n in chosen], object)
            table[str(level)] = named
            table[f"{level}Confidence"] = confidence
            honest = confidence if name != "val-items" else 1
            table[f"{level}True"] = np.where(rng.random(4000) < honest, named, "another")
        table.to_parquet(folder / "report" / f"{name}.parquet")
    return folder


def test_a_policy_is_kept_in_the_bundle_and_applied(tagger: Run, measured: Path, drawn: Drawn) -> None:
    before = Bundle.load(Location(str(measured)))
    outcome = tagger("policy", measured, "--target-precision", "articleType=0.95,masterCategory=0.98", "--json")
    assert outcome.code == 0, outcome.err
    said = json.loads(outcome.out)
    assert {name: level["targetPrecision"] for name, level in said["levels"].items()} == {
        "masterCategory": 0.98,
        "articleType": 0.95,
    }
    after = Bundle.load(Location(str(measured)))
    assert after.card.model_id == before.card.model_id, "the predictions are the same"
    assert after.card.policy
    assert (after.card.policy.fitted_on, after.card.policy.side) == (4000, "control")
    assert "fitted on 4,000 control items" in tagger("policy", measured, "--target-precision", "0.9").out
    for level in after.card.policy.levels.values():
        assert level.precision is not None
        assert level.at_least is not None
        assert level.precision >= level.at_least >= level.target_precision
    curve = pd.read_csv(measured / "report/policy.csv")
    assert set(curve["level"]) == {"masterCategory", "articleType"}
    assert (measured / "report/policy.svg").read_text().startswith("<svg")

    images = sorted(str(path) for path in Path(drawn.images).glob("*.jpg"))[:20]
    by_policy = Tagger(after, engine="torch-cpu-float32").tag(images)
    by_hand = Tagger(after, engine="torch-cpu-float32", accept_above=dict.fromkeys(Level, 0.0)).tag(images)
    tagged = by_hand["decision"] != Decision.FAILED
    assert tagged.any()
    assert (by_policy["decision"][tagged] == Decision.REVIEW).all(), "an untrained model is sure of nothing"
    assert (by_hand["decision"] == Decision.ACCEPT).any()


def test_people_are_told_what_it_means(tagger: Run, measured: Path) -> None:
    outcome = tagger("policy", measured, "--target-precision", "0.9", "--per-hour", "100")
    assert outcome.code == 0, outcome.err
    assert "Of 1,000 items:" in outcome.out
    assert "at 100 an hour" in outcome.out
    assert "tagger tag applies it" in outcome.out


def test_a_target_that_cannot_be_shown_says_which_one_can_and_changes_nothing(tagger: Run, measured: Path) -> None:
    outcome = tagger("policy", measured, "--target-precision", "articleType=0.999", "--target-precision",
                     "masterCategory=0.9")  # fmt: skip
    assert outcome.code == 2
    assert "--target-precision articleType=0.999: cannot be shown" in outcome.err
    possible = float(outcome.err.rsplit(";", 1)[1].split()[0])
    assert 0.9 < possible < 0.999
    assert Bundle.load(Location(str(measured))).card.policy is None
    assert tagger("policy", measured, "--target-precision", f"articleType={possible},masterCategory=0.9").code == 0


def test_a_target_is_tried_out_on_random_halves(tagger: Run, measured: Path) -> None:
    outcome = tagger("policy", measured, "--target-precision", "0.95", "--splits", "20", "--json")
    assert outcome.code == 0, outcome.err
    said = json.loads(outcome.out)
    assert said["items"] == 8000
    for level in said["levels"].values():
        assert level["kept"] >= 0.9
        assert 0 < level["meanCoverage"] <= 1
        assert level["lowestPrecision"] <= level["meanPrecision"]
        assert 0 < level["calibrationErrorByChance"] < 0.03
        assert level["calibrationError"] == pytest.approx(level["calibrationErrorByChance"], abs=0.01)
    assert Bundle.load(Location(str(measured))).card.policy is None


def test_a_target_at_which_nothing_is_accepted_is_not_called_kept(tagger: Run, measured: Path) -> None:
    outcome = tagger("policy", measured, "--target-precision", "0.9999", "--splits", "2")
    assert outcome.code == 0, outcome.err
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in outcome.out.splitlines() if "99.99%" in line]
    assert [row[2:] for row in cells] == [["nothing accepted", "", "", "0.0%"]] * len(Level)


@pytest.fixture
def with_titles(measured: Path) -> Path:
    """The bundle with predictions of half of these items by image and title, nearly all of which are right."""
    rng = np.random.default_rng(6)
    for file in list((measured / "report").glob("*items.parquet")):
        table = pd.read_parquet(file).iloc[::2].reset_index(drop=True)
        for level in Level:
            table[f"{level}Confidence"] = rng.uniform(0.99, 1, len(table)).astype(np.float32)
            right = rng.random(len(table)) < 0.9995
            table[f"{level}True"] = np.where(right, table[str(level)], "another")
        table.to_parquet(file.with_name(f"by-image-title-{file.name}"))
    return measured


def test_predictions_by_image_and_title_get_a_policy_of_their_own(tagger: Run, with_titles: Path) -> None:
    outcome = tagger("policy", with_titles, "--target-precision", "articleType=0.95,masterCategory=0.98", "--json")
    assert outcome.code == 0, outcome.err
    said = json.loads(outcome.out)
    both = said["byEvidence"]["image+title"]
    assert (said["fittedOn"], both["fittedOn"]) == (4000, 2000)
    card = Bundle.load(Location(str(with_titles))).card
    assert card.policy and list(card.policies) == [Evidence.IMAGE_AND_TITLE]
    by_both = card.policies[Evidence.IMAGE_AND_TITLE].levels[Level.ARTICLE_TYPE]
    assert by_both.coverage > 0.99 > card.policy.levels[Level.ARTICLE_TYPE].coverage
    assert (with_titles / "report/policy-by-image-title.svg").read_text().startswith("<svg")
    shown = tagger("policy", with_titles, "--target-precision", "0.95").out
    assert "What is accepted by the image alone, fitted on 4,000 control items" in shown
    assert "What is accepted by image and title, fitted on 2,000 control items" in shown
    tried = tagger("policy", with_titles, "--target-precision", "0.95", "--splits", 5, "--json")
    assert json.loads(tried.out)["byEvidence"]["image+title"]["items"] == 4000
    anew = Bundle.load(Location(str(with_titles))).changed(blur_threshold=1.0).card
    assert (anew.policy, anew.policies) == (None, {}), "other predictions, no promise"


def test_the_report_page_says_what_the_policies_accept(tagger: Run, with_titles: Path) -> None:
    page = with_titles / "report/index.html"
    regions = [f"<!-- begin {region} -->\n<!-- end {region} -->" for region in (SUMMARY, SECTIONS)]
    page.write_text("\n".join(regions))
    refused = tagger("policy", with_titles, "--target-precision", "articleType=0.99999,masterCategory=0.98")
    assert (refused.code, page.read_text()) == (2, "\n".join(regions))
    outcome = tagger("policy", with_titles, "--target-precision", "articleType=0.95,masterCategory=0.98", "--json")
    assert outcome.code == 0, outcome.err
    accepted = json.loads((with_titles / "report/accepted.json").read_text())["levels"]
    by = {(row["evidence"], row["level"]): row for row in accepted}
    shown = html.unescape(page.read_text())
    assert "What is accepted" in shown
    both = by["image+title", "articleType"]
    assert f"{percent(both['coverage'], both['items'])} of new items are tagged automatically".lstrip(">") in shown
    for evidence in ("image", "image+title"):
        row = by[evidence, "articleType"]
        assert row["targetPrecision"] == 0.95
        assert with_interval(row["coverage"], row["items"]) in shown
    assert by["image+title", "articleType"]["coverage"] > 0.99


def test_labels_that_image_and_title_deny_are_counted_and_so_is_what_they_cost(tagger: Run, with_titles: Path) -> None:
    target = ["--target-precision", "articleType=0.99,masterCategory=0.98", "--json"]
    control = with_titles / "report/by-image-title-control-items.parquet"
    held_out = pd.read_parquet(control)
    wrong = np.arange(len(held_out)) % 50 == 0
    held_out.loc[wrong, "articleTypeTrue"] = "another"
    held_out.loc[wrong, "articleTypeConfidence"] = np.float32(0.9925)
    held_out.to_parquet(control)
    file = with_titles / "report/denied-labels.csv"
    denied = pd.DataFrame({"id": [*held_out["id"][wrong], "of val"], "split": ["control"] * wrong.sum() + ["val"]})
    before = json.loads(tagger("policy", with_titles, *target).out)
    assert (before["deniedLabels"], before["coverageWithoutDenied"]) == (0, {})
    denied.to_csv(file, index=False)
    outcome = tagger("policy", with_titles, *target)
    assert outcome.code == 0, outcome.err
    said = json.loads(outcome.out)
    assert said["deniedLabels"] == wrong.sum() > 0
    both = said["byEvidence"]["image+title"]
    assert both["coverageWithoutDenied"]["articleType"] > both["levels"]["articleType"]["coverage"]
    assert before["byEvidence"]["image+title"]["levels"] == both["levels"], "the policy itself leaves nothing out"
    shown = tagger("policy", with_titles, *target[:-1]).out
    assert f"another article type than the label of {wrong.sum():,} of these control items" in shown
    assert str(file) in shown.replace("\n", "")
    assert f"To review them: tagger audit --model {with_titles} --denied --manifest " in shown


def test_a_target_that_only_titles_can_reach_is_no_error_and_what_the_image_alone_says_is_not_accepted(
    tagger: Run, with_titles: Path
) -> None:
    target = ["--target-precision", "articleType=0.99,masterCategory=0.98"]
    outcome = tagger("policy", with_titles, *target)
    assert outcome.code == 0, outcome.err
    assert "articleType=0.99: nothing is accepted by the image alone, where it cannot be shown" in outcome.err
    card = Bundle.load(Location(str(with_titles))).card
    assert card.policy
    assert card.policy.levels[Level.ARTICLE_TYPE].accept_above is None
    assert card.policies[Evidence.IMAGE_AND_TITLE].levels[Level.ARTICLE_TYPE].accept_above is not None
    neither = tagger("policy", with_titles, "--target-precision", "0.99999")
    assert (neither.code, "0.99999: cannot be shown" in neither.err) == (2, True)


@pytest.mark.parametrize(
    ("given", "word"),
    [
        (["--target-precision", "articleType=0.9"], "none for masterCategory"),
        (["--target-precision", "1"], "between 0 and 1"),
        (["--target-precision", "colour=0.9"], "colour"),
        ([], "--target-precision is missing"),
    ],
)
def test_a_wrong_target_is_refused(tagger: Run, measured: Path, given: list[str], word: str) -> None:
    outcome = tagger("policy", measured, *given)
    assert outcome.code == 2
    assert word in outcome.err


def test_a_bundle_without_a_control_side_is_fitted_on_val_and_says_that_the_promise_is_approximate(
    tagger: Run, measured: Path
) -> None:
    (measured / "report/control-items.parquet").unlink()
    outcome = tagger("policy", measured, "--target-precision", "0.9", "--json")
    assert outcome.code == 0, outcome.err
    assert "the promise is approximate" in outcome.err
    assert json.loads(outcome.out)["side"] == "val"


def test_classes_whose_own_threshold_would_accept_less_are_named(tagger: Run, measured: Path) -> None:
    outcome = tagger("policy", measured, "--target-precision", "0.9", "--class-items", 20)
    assert outcome.code == 0, outcome.err
    assert "classes share a threshold, because more is accepted so than by their own" in outcome.out


def test_a_bundle_without_predictions_says_so(tagger: Run, bundle_dir: Path) -> None:
    outcome = tagger("policy", bundle_dir, "--target-precision", "0.9")
    assert outcome.code == 3
    assert "val-items.parquet" in outcome.err


def test_a_policy_is_fitted_in_python_without_a_word_on_standard_output(
    measured: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = PolicyConfig(model=str(measured), target_precision=dict.fromkeys(Level, 0.9))
    result = fit_policy(config)
    assert result.card.policy == result.policy == Bundle.load(Location(str(measured))).card.policy
    assert result.curve.exists()
    covered = result.policy.levels[Level.ARTICLE_TYPE].coverage
    assert result.review_hours(400) == pytest.approx((1 - covered) * 1000 / 400)
    trial = try_policy(config.model_copy(update={"splits": 2}))
    assert trial.items == 8000
    assert capsys.readouterr().out == ""


def test_the_next_command_tags_the_catalogue_that_the_bundle_was_taught_on(tagger: Run, measured: Path) -> None:
    bundle = Bundle.load(Location(str(measured)))
    taught = {"manifest": "my shop.csv", "images": "pictures", "column": {"id": "sku"}, "lr": 0.1}
    record = bundle.card.provenance.model_copy(update={"config": taught})
    Bundle(bundle.card.model_copy(update={"provenance": record}), bundle.weights).save(Location(str(measured)))
    shown = tagger("policy", measured, "--target-precision", "0.9").out.splitlines()
    assert shown[-1] == (
        f"Next: tagger tag --manifest 'my shop.csv' --images pictures --column id=sku --model {measured} --out run"
    )
