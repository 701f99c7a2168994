"""The labels that a bundle's image and title deny alike are put up for review."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from tagger.decisions.read import database_of, named_decisions
from tagger.demo.drawn_catalogue import Drawn
from tagger.io.location import Location
from tagger.manifest.manifest import Manifest
from tagger.review.store.database import open_database
from tagger.review.store.queue import fill_queue
from tagger.review.store.records import Change, Filter
from tagger.review.store.review import ReviewStore
from tagger.runs.directory import RunDirectory
from tagger.schemas.configs.options import ManifestFormat
from tagger.schemas.tables.decision import Verdict
from tests.conftest import Outcome

Run = Callable[..., Outcome]
SUGGESTED = ("Accessories", "Watches")


@pytest.fixture
def shop(drawn: Drawn, tmp_path: Path) -> pd.DataFrame:
    """Five labelled items; the image of the last is missing."""
    files = sorted(Path(drawn.images).glob("*.jpg"))[:4]
    items = pd.DataFrame({
        "id": [*(file.stem for file in files), "no image"],
        "masterCategory": "Apparel", "articleType": ["Tops", "Jeans", "Shirts", "Tops", "Jeans"],
    })  # fmt: skip
    items.to_csv(tmp_path / "shop.csv", index=False)
    return items


@pytest.fixture
def denying(bundle_dir: Path, shop: pd.DataFrame, tmp_path: Path) -> Path:
    """A bundle that lists all but the first item, and one that the shop no longer has."""
    folder = tmp_path / "bundle"
    shutil.copytree(bundle_dir, folder)
    listed = pd.concat([shop.iloc[1:], pd.DataFrame([("gone", *SUGGESTED)], columns=shop.columns)])
    listed = listed.assign(
        split="val", name="=a title", suggestedMasterCategory=SUGGESTED[0], suggestedArticleType=SUGGESTED[1],
        imageConfidence=0.8, titleConfidence=0.9, labelProbability=[0.02, 0.3, 0.1, 0.05, 0.0],
        suggestionConfidence=0.85,
    )  # fmt: skip
    (folder / "report").mkdir(exist_ok=True)
    listed.to_csv(folder / "report/denied-labels.csv", index=False)
    return folder


def test_denied_labels_are_put_up_for_review_but_not_those_that_were_corrected(
    tagger: Run, shop: pd.DataFrame, drawn: Drawn, denying: Path, tmp_path: Path
) -> None:
    shop.loc[2, ["masterCategory", "articleType"]] = SUGGESTED
    shop.to_csv(tmp_path / "shop.csv", index=False)
    audit = ["audit", "--model", denying, "--denied", "--manifest", tmp_path / "shop.csv", "--images", drawn.images]
    outcome = tagger(*audit, "--out", tmp_path / "denied", "--json")
    assert outcome.code == 0, outcome.err
    said = json.loads(outcome.out)
    assert (said["listed"], said["findings"], said["corrected"], said["unlabelled"]) == (5, 3, 1, 1)
    assert "1 of 3 images cannot be read" in outcome.err

    found = pd.read_parquet(tmp_path / "denied/findings.parquet")
    assert found["id"].tolist() == [shop["id"][1], "no image", shop["id"][3]], "the most suspicious first"
    assert found["score"].tolist() == pytest.approx([0.98, 0.95, 0.9])
    assert found["articleType"].tolist() == ["Jeans", "Jeans", "Tops"]
    assert set(found["suggestedArticleType"]) == set(found["imageSays"]) == set(found["titleSays"]) == {"Watches"}
    assert set(found["title"]) == {"=a title"}
    assert found["imageDigest"].notna().tolist() == [True, False, True]
    first = (Path(drawn.images) / f"{shop['id'][1]}.jpg").read_bytes()
    assert found["imageDigest"][0] == hashlib.sha256(first).hexdigest()
    page = (tmp_path / "denied/index.html").read_text()
    assert "3 findings, the most suspicious first" in page
    assert "no longer in the manifest with both labels</dt><dd>1</dd>" in page


def test_the_review_takes_the_suggestion_or_keeps_the_label(
    tagger: Run, shop: pd.DataFrame, drawn: Drawn, denying: Path, tmp_path: Path
) -> None:
    out = tmp_path / "denied"
    audit = ["audit", "--model", denying, "--denied", "--manifest", tmp_path / "shop.csv", "--images", drawn.images]
    shown = tagger(*audit, "--out", out)
    assert shown.code == 0, shown.err
    assert shown.out.splitlines()[-1] == f"Next: tagger review --run {out}"
    directory = RunDirectory(Location(str(out)))
    record = directory.record()
    assert record
    store = ReviewStore(open_database(database_of(directory, None), "--database"), record.run_id)
    filled = fill_queue(store, directory, Manifest(Location(str(tmp_path / "shop.csv")), ManifestFormat()), None)
    assert filled
    assert filled.items == 4
    worst = store.claims.next("session", Filter(), 1)[0]
    assert (worst.id, worst.article) == (shop["id"][1], "Jeans")
    assert [leaf["articleType"] for leaf in worst.alternatives] == ["Watches", "Jeans"]
    store.decide("session", "Ada", [Change(worst.position, Verdict.CORRECTED, *SUGGESTED)])
    store.close()
    assert tagger("review", "export", "--run", out).code == 0
    learnt = pa.concat_tables(named_decisions(Location(str(out)), "--decisions")).to_pylist()
    assert [(row["id"], row["articleType"]) for row in learnt] == [(worst.id, "Watches")]


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        (["--title", "name"], "title and duplicates judge labels"),
        (["--flip", "0.1"], "flip tries out an index"),
    ],
)
def test_what_denied_labels_do_not_need_is_refused(
    tagger: Run, denying: Path, tmp_path: Path, setting: list[str], words: str
) -> None:
    audit = ["audit", "--model", denying, "--denied", "--manifest", tmp_path / "shop.csv", "--images", tmp_path]
    refused = tagger(*audit, "--out", tmp_path / "denied", *setting)
    assert (refused.code, words in refused.err) == (2, True), refused.err


def test_a_bundle_that_lists_nothing_says_what_writes_the_list(
    tagger: Run, denying: Path, drawn: Drawn, tmp_path: Path
) -> None:
    audit = ["audit", "--model", denying, "--denied", "--manifest", tmp_path / "shop.csv", "--images", drawn.images]
    audit += ["--out", tmp_path / "denied"]
    file = denying / "report/denied-labels.csv"
    text = file.read_text()
    file.write_text(text.replace("suggestedArticleType", "imageAndTitleSay"))
    earlier = tagger(*audit)
    assert (earlier.code, "is of an earlier version and lacks suggestedArticleType" in earlier.err) == (3, True)
    file.write_text(text.splitlines()[0])
    empty = tagger(*audit)
    assert (empty.code, "deny no label of the held-out items" in empty.err) == (3, True)
    file.unlink()
    without = tagger(*audit)
    assert (without.code, "tagger train --title, or tagger evidence --run" in without.err) == (3, True)
    assert not (tmp_path / "denied").exists()
