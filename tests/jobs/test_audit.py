"""Wrong labels are found, ranked, reviewed and corrected."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
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
from tests.indexes import made_index

Run = Callable[..., Outcome]
pytestmark = pytest.mark.slow
LEAVES = [
    ("Apparel", "Shirts"), ("Apparel", "Tops"), ("Apparel", "Jeans"), ("Accessories", "Watches"),
    ("Accessories", "Belts"), ("Footwear", "Heels"), ("Footwear", "Flats"), ("Footwear", "Sandals"),
]  # fmt: skip
EACH, DIM = 40, 32
TYPES = ["masterCategory", "articleType"]


@pytest.fixture
def shop(drawn: Drawn, tmp_path: Path) -> pd.DataFrame:
    """A manifest and its index; twelve items have another's label, and some other things are odd."""
    rng = np.random.default_rng(0)
    items = pd.DataFrame([leaf for leaf in LEAVES for _ in range(EACH)], columns=["masterCategory", "articleType"])
    items.insert(0, "id", [f"item-{n}" for n in range(len(items))])
    true = items["articleType"].to_numpy(object).copy()
    items["title"] = [f"Brand{rng.integers(30)} {word.lower().rstrip('s')} model {rng.integers(9)}" for word in true]
    centres = rng.standard_normal((len(LEAVES), DIM))
    vectors = np.repeat(centres, EACH, axis=0) + 0.4 * rng.standard_normal((len(items), DIM))
    digests = [f"digest {n}" for n in range(len(items))]
    items["wrong"] = False
    for n in rng.choice(len(items), 12, replace=False):
        other = LEAVES[(n // EACH + 1 + int(rng.integers(len(LEAVES) - 1))) % len(LEAVES)]
        items.loc[n, ["masterCategory", "articleType"]] = other
        items.loc[n, "wrong"] = True
    odd = [
        ("misplaced", "Home", "Watches", "Brand3 watch", False),
        ("far", "Apparel", "Jeans", "Brand4 jean", False),
        ("twin", "Apparel", "Tops", "Brand5 shirt", False),
    ]
    items = pd.concat([items, pd.DataFrame(odd, columns=items.columns)], ignore_index=True)
    vectors = np.vstack([vectors, vectors[3 * EACH : 3 * EACH + 1], -3 * centres.sum(axis=0)[None], vectors[:1]])
    digests += ["digest misplaced", "digest far", digests[0]]
    files = [file.name for file in sorted(Path(drawn.images).glob("*.jpg"))]
    items["imageUri"] = (files * len(items))[: len(items)]
    items["imageDigest"] = digests
    made_index(tmp_path / "index", items, vectors, keep=["title"])
    items[["id", *TYPES, "title"]].to_csv(tmp_path / "shop.csv", index=False)
    return items.assign(true=[*true, "Watches", "Jeans", "Shirts"])


@pytest.fixture
def audited(tagger: Run, shop: pd.DataFrame, drawn: Drawn, tmp_path: Path) -> Path:
    outcome = tagger(
        "audit", tmp_path / "index", "--manifest", tmp_path / "shop.csv", "--images", drawn.images, "--title", "title",
        "--out", tmp_path / "audit", "--json",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    said = json.loads(outcome.out)
    assert said["labelled"] == len(shop)
    assert said["judged"] == len(shop) - 1, "a leaf of one item cannot be judged"
    assert said["findings"] == len(pd.read_parquet(tmp_path / "audit/findings.parquet"))
    return tmp_path / "audit"


def test_wrong_labels_come_first_with_what_they_should_be(shop: pd.DataFrame, audited: Path) -> None:
    found = pd.read_parquet(audited / "findings.parquet")
    wrong = shop[shop["wrong"]]
    assert set(wrong["id"]) | {"twin"} <= set(found["id"].head(14))
    assert found["rank"].tolist() == list(range(1, len(found) + 1))
    assert found["score"].is_monotonic_decreasing
    rows = found.set_index("id")
    reasons = {row["id"]: set(row["reasons"]) for row in found.to_dict("records")}
    assert rows.loc[wrong["id"], "suggestedArticleType"].tolist() == wrong["true"].tolist()
    assert all({"label_error", "title_disagrees"} <= reasons[item] for item in wrong["id"])
    assert reasons["misplaced"] == {"taxonomy_conflict"}
    assert rows.loc["misplaced", "suggestedMasterCategory"] == "Accessories"
    assert "outlier" in reasons["far"]
    assert "duplicate_conflict" in reasons["twin"]
    assert len(found) < 30, "of 323 labels of which 308 are right"
    page = (audited / "index.html").read_text()
    assert page.count("<li>") == len(found)
    assert "data:image/jpeg;base64," in page


def test_findings_are_reviewed_and_what_is_decided_becomes_labels(
    tagger: Run, shop: pd.DataFrame, drawn: Drawn, audited: Path, tmp_path: Path
) -> None:
    found = pd.read_parquet(audited / "findings.parquet")
    directory = RunDirectory(Location(str(audited)))
    record = directory.record()
    assert record
    assert record.kind == "audit"
    store = ReviewStore(open_database(database_of(directory, None), "--database"), record.run_id)
    manifest = Manifest(Location(str(tmp_path / "shop.csv")), ManifestFormat())
    filled = fill_queue(store, directory, manifest, None)
    assert filled
    assert filled.items == len(found)
    first = store.claims.next("session", Filter(), 1)[0]
    assert first.id == found["id"][0]
    assert (first.master, first.article) == tuple(shop.set_index("id").loc[first.id, ["masterCategory", "articleType"]])
    leaves = {
        (a["masterCategory"], a["articleType"])
        for item in store.claims.next("s", Filter(), 99)
        for a in item.alternatives
    }
    assert leaves <= {*LEAVES, ("Home", "Watches")}
    suggestion = first.alternatives[0]
    assert suggestion["articleType"] == found["suggestedArticleType"][0]
    correction = (suggestion["masterCategory"], suggestion["articleType"])
    store.decide("session", "Ada", [Change(first.position, Verdict.CORRECTED, *correction)])
    store.close()
    exported = tagger("review", "export", "--run", audited)
    assert exported.code == 0, exported.err
    catalogue = f"--manifest {tmp_path / 'shop.csv'} --images {drawn.images}"
    learn = f"Next: tagger train {catalogue} --decisions {audited} --out {audited}-bundle"
    assert exported.out.splitlines()[-1] == learn
    decisions = pd.read_parquet(audited / "decisions")
    assert decisions[["id", "articleType"]].to_numpy().tolist() == [[first.id, correction[1]]]
    assert tagger("runs", tmp_path).code == 2, "an audit is no run that tagged"
    learnt = pa.concat_tables(named_decisions(Location(str(audited)), "--decisions")).to_pylist()
    assert [(row["id"], row["articleType"]) for row in learnt] == [(first.id, correction[1])]


def test_the_audit_is_tried_out_on_labels_that_it_makes_wrong(
    tagger: Run, shop: pd.DataFrame, drawn: Drawn, tmp_path: Path
) -> None:
    asked = ["audit", tmp_path / "index", "--manifest", tmp_path / "shop.csv", "--images", drawn.images]
    outcome = tagger(*asked, "--title", "title", "--flip", "0.1", "--json")
    assert outcome.code == 0, outcome.err
    said = json.loads(outcome.out)
    levels = said["levels"]
    assert [level["level"] for level in levels] == ["masterCategory", "articleType"]
    assert levels[0]["madeWrong"] < levels[1]["madeWrong"] == pytest.approx(32, abs=16)
    assert said["items"] > levels[1]["madeWrong"]
    for level in levels:
        assert 0.7 < level["averagePrecision"] <= 1
        assert 0.7 < level["recall"] <= 1
        assert 0 < level["precision"] <= 1
        assert level["found"] >= level["recall"] * level["madeWrong"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["--title", "name"], "--title name: the index has no such column"),
        (["--min-items", "3"], "a leaf needs an item for each of the 5 folds"),
        (["--min-items", "400"], "fewer than two leaves have 400"),
        (["--duplicates", "nowhere"], "nowhere/groups.parquet; tagger duplicates writes it"),
    ],
)
def test_what_cannot_be_audited_says_why(
    tagger: Run, shop: pd.DataFrame, drawn: Drawn, tmp_path: Path, given: list[str], words: str
) -> None:
    asked = ["audit", tmp_path / "index", "--manifest", tmp_path / "shop.csv", "--images", drawn.images]
    outcome = tagger(*asked, "--out", tmp_path / "no", *given)
    assert outcome.code in (2, 3)
    assert words in outcome.err


def test_a_bundle_looks_at_the_images_where_no_index_is_named(
    tagger: Run, drawn: Drawn, bundle_dir: Path, tmp_path: Path, embedded_ray: None
) -> None:
    asked = ["--manifest", drawn.manifest, "--images", drawn.images, "--title", "productDisplayName"]
    out = ["--out", tmp_path / "audit", "--json"]
    outcome = tagger("audit", *asked, "--model", bundle_dir, "--min-items", "5", *out)
    assert outcome.code == 0, outcome.err
    said = json.loads(outcome.out)
    assert said["labelled"] == drawn.items - drawn.unlabelled
    assert "2 images could not be looked at, and 2 rows of the manifest were rejected" in outcome.err
    findings = pd.read_parquet(tmp_path / "audit/findings.parquet")
    assert len(findings) == said["findings"]
    left = {file.name for file in (tmp_path / "audit").iterdir()}
    assert not left & {"_vectors", "_index"}, "what it made on the way is gone"
    for flags, problem in [
        ([], "name an index, or a bundle"),
        (["--model", bundle_dir, "--flip", "0.1"], "flip tries out an index"),
        ([tmp_path / "audit", "--model", bundle_dir], "name an index, or a bundle"),
        (["--model", bundle_dir, "--duplicates", tmp_path], "tagger duplicates writes it"),
    ]:
        wrong = tagger("audit", *flags, *asked, "--out", tmp_path / "wrong")
        assert wrong.code == 2 and problem in wrong.err
    asked[-1] = "nosuch"
    wrong = tagger("audit", "--model", bundle_dir, *asked, "--out", tmp_path / "wrong")
    assert wrong.code == 2 and "--title nosuch: the manifest has no such column" in wrong.err
    (tmp_path / "plain.csv").write_text("id\n1\n")
    bare = ["--manifest", tmp_path / "plain.csv", "--images", drawn.images]
    wrong = tagger("audit", "--model", bundle_dir, *bare, "--out", tmp_path / "wrong")
    assert wrong.code == 3 and "no column masterCategory" in wrong.err
    assert not list(tmp_path.glob("wrong/_*")), "what is wrong is told before any image is looked at"
