"""Pictures of what a model has never seen: through training, tagging, policy, averages and the review page."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from tagger.demo.drawn_catalogue import Drawn
from tagger.io.location import Location
from tagger.models.bundle import Bundle
from tagger.models.familiarity import FILE
from tagger.tagging.notebook import Tagger
from tests.builders import predictions_by_id
from tests.conftest import Outcome
from tests.review_server import ReviewServer
from tests.strange_pictures import blank, noise, parcel

Run = Callable[..., Outcome]
pytestmark = pytest.mark.usefixtures("embedded_ray")
STRANGE = {"blank": blank(255), "grey": blank(128), "noise": noise(1), "parcel": parcel(2)}


@pytest.fixture(scope="module")
def knowing(demo_out: Path) -> Path:
    """The demo's bundle, trained without leaving a leaf out."""
    return demo_out / "bundle"


def test_the_demos_model_accepts_nothing_that_looks_like_nothing_it_has_learnt(knowing: Path) -> None:
    card = Bundle.load(Location(str(knowing))).card
    assert card.familiarity is not None
    page = (knowing / "report/index.html").read_text()
    assert "nothing was left out to see what that finds" in page
    tags = Tagger.load(knowing, engine="torch-cpu-float32").tag(list(STRANGE.values()))
    assert tags["reviewReasons"].map(lambda reasons: "unfamiliar" in reasons).all(), tags[
        ["articleType", "familiarity"]
    ]
    assert set(tags["decision"]) == {"review"}
    held_out = pd.read_parquet(knowing / "report/control-items.parquet")
    assert (held_out["familiarity"] < card.familiarity.below).mean() < 0.1


def test_strange_pictures_are_tagged_by_the_job_and_tried_on_the_page(
    tagger: Run, knowing: Path, tmp_path: Path
) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for name, data in STRANGE.items():
        (images / f"{name}.jpg").write_bytes(data)
    (tmp_path / "items.csv").write_text("id\n" + "\n".join(STRANGE) + "\n")
    inputs = ["--manifest", tmp_path / "items.csv", "--images", images, "--model", knowing]
    outcome = tagger("tag", *inputs, "--out", tmp_path / "run", "--engine", "torch-cpu-float32", "--json")
    assert outcome.code == 0, outcome.err
    rows = predictions_by_id(tmp_path / "run")
    assert all("unfamiliar" in reasons for reasons in rows["reviewReasons"])
    assert "the picture looks like nothing that the model has learnt" in (tmp_path / "run/report.html").read_text()
    again = tagger("tag", *inputs, "--known", tmp_path / "run", "--out", tmp_path / "next", "--json")
    assert json.loads(again.out)["counts"]["skipReasons"] == {"known": len(STRANGE)}, "decided as before"
    with ReviewServer(tmp_path / "run") as server:
        client = server.client()
        client.open("/try")
        files = {"image": ("blank.jpg", STRANGE["blank"])}
        page = client.http.post("/try", data={"csrf": client.field("csrf")}, files=files).text
        assert "<h2>This looks like nothing that the model has learnt</h2>" in page
        assert f"<h2>{rows.at['blank', 'articleType']!s}" not in page
        assert "It would go to review." not in page
        assert "Looks like nothing that the model has learnt" in client.open("/queue")


def test_leaves_that_are_left_out_teach_what_is_unfamiliar(tagger: Run, drawn: Drawn, tmp_path: Path) -> None:
    counts = (
        pd.read_csv(drawn.manifest, dtype=str, on_bad_lines="skip").groupby(["masterCategory", "articleType"]).size()
    )
    least = int(counts.sort_values().iloc[len(counts) // 2]) + 1
    inputs = ["--manifest", drawn.manifest, "--images", drawn.images]
    recipe = ["--recipe", "cnn-2conv", "--image-size", "32x24", "--epochs", "2"]
    outcome = tagger("train", *inputs, *recipe, "--min-items", least, "--out", tmp_path / "bundle")
    assert outcome.code == 0, outcome.err
    card = Bundle.load(Location(str(tmp_path / "bundle"))).card
    assert card.familiarity is not None
    of_left_out = sum(leaf.items for leaf in card.provenance.left_out)
    assert of_left_out - len(drawn.missing) <= card.familiarity.left_out <= of_left_out
    assert card.familiarity.auroc is not None and card.familiarity.auroc > 0.5
    assert "items of types that were left out" in outcome.err
    assert not (tmp_path / "bundle/_work").exists()


def test_a_policy_is_fitted_without_what_is_unfamiliar(tagger: Run, knowing: Path, tmp_path: Path) -> None:
    shutil.copytree(knowing, tmp_path / "bundle")
    items = tmp_path / "bundle/report/control-items.parquet"
    pd.read_parquet(items).assign(familiarity=0.0).to_parquet(items)
    target = ["--target-precision", "0.5", "--probability", "0.6"]
    refused = tagger("policy", tmp_path / "bundle", *target)
    assert (refused.code, "no other one can" in refused.err) == (2, True), "nothing is familiar"
    shutil.copy(knowing / "report/control-items.parquet", items)
    fitted = tagger("policy", tmp_path / "bundle", *target)
    assert fitted.code == 0, fitted.err
    assert "are blurry or unfamiliar" in " ".join(fitted.out.split())


def test_a_bundle_that_is_not_whole_is_refused_before_anything_is_written(
    tagger: Run, knowing: Path, drawn: Drawn, tmp_path: Path
) -> None:
    shutil.copytree(knowing, tmp_path / "bundle")
    (tmp_path / "bundle" / FILE).unlink()
    inputs = ["--manifest", drawn.manifest, "--images", drawn.images, "--model", tmp_path / "bundle"]
    outcome = tagger("tag", *inputs, "--out", tmp_path / "run")
    assert (outcome.code, f"it has no {FILE}" in outcome.err) == (3, True)
    assert not (tmp_path / "run").exists()
