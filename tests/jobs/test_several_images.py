"""Items with several images, through the jobs: tagged once each, known again, checked, learnt from."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tagger.demo.drawn_catalogue import draw_catalogue
from tagger.tagging.notebook import Tagger
from tests.builders import encoded, picture
from tests.conftest import Outcome

Run = Callable[..., Outcome]
pytestmark = pytest.mark.usefixtures("embedded_ray")
ENGINE = "openvino-cpu-float32"
IMAGES = {"1": ["1.jpg", "1_2.jpg", "1_3.jpg"], "2": ["2.jpg"], "3": ["3.jpg", "3_2.jpg"], "4": ["4.jpg", "4_2.jpg"]}


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    for number, name in enumerate(name for names in IMAGES.values() for name in names):
        (tmp_path / "images" / name).write_bytes(encoded(picture(seed=number)))
    (tmp_path / "m.csv").write_text(
        "\n".join(["id,masterCategory,articleType", *(f"{item},," for item in IMAGES)]) + "\n"
    )
    return tmp_path


def night(tagger: Run, shop: Path, bundle: Path, name: str, *more: object) -> tuple[dict[str, Any], dict[str, Any]]:
    """The counts of a run, and its predictions by id."""
    outcome = tagger(
        "tag", "--manifest", shop / "m.csv", "--images", f"{shop}/images/{{id}}_{{n}}.jpg", "--model", bundle, "--out",
        shop / "runs" / name, "--known", shop / "runs", "--engine", ENGINE, "--max-failed", "50%", "--json", *more,
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    rows = pq.read_table(shop / "runs" / name / "predictions").to_pylist()
    return json.loads(outcome.out)["counts"], {row["id"]: row for row in rows}


def test_an_item_is_tagged_once_by_all_its_images_and_says_what_each_says(
    tagger: Run, shop: Path, bundle_dir: Path
) -> None:
    (shop / "images/3.jpg").write_bytes(b"no image")
    (shop / "images/4_2.jpg").write_bytes(b"no image")
    counts, found = night(tagger, shop, bundle_dir, "n1")
    assert counts["predictions"] == 4
    assert (found["2"]["images"], Path(found["2"]["imageUri"]).name) == (None, "2.jpg")
    said = {item: [(Path(i["imageUri"]).name, i["errorCode"]) for i in found[item]["images"]] for item in "134"}
    assert said["1"] == [("1.jpg", None), ("1_2.jpg", None), ("1_3.jpg", None)]
    assert said["3"] == [("3.jpg", "not_an_image"), ("3_2.jpg", None)]
    assert said["4"] == [("4.jpg", None), ("4_2.jpg", "not_an_image")]
    assert [found[item]["errorCode"] for item in "1234"] == [None] * 4
    assert [Path(found[item]["imageUri"]).name for item in "34"] == ["3_2.jpg", "4.jpg"]
    alone = found["4"]["images"][0]
    assert (found["4"]["articleType"], found["4"]["articleTypeConfidence"]) == (
        alone["articleType"], pytest.approx(alone["articleTypeConfidence"])
    )  # fmt: skip
    standing = next(i for i in found["1"]["images"] if i["imageUri"] == found["1"]["imageUri"])
    assert standing["imageDigest"] == found["1"]["imageDigest"]


def test_a_night_looks_again_only_at_items_of_which_an_image_changed(tagger: Run, shop: Path, bundle_dir: Path) -> None:
    (shop / "images/3_2.jpg").write_bytes(b"no image")
    _, first = night(tagger, shop, bundle_dir, "n1")
    counts, found = night(tagger, shop, bundle_dir, "n2")
    assert (counts["predictions"], counts["skipReasons"]) == (0, {"known": 4})
    (shop / "images/1_3.jpg").write_bytes(encoded(picture(seed=99)))
    (shop / "images/4_3.jpg").write_bytes(encoded(picture(seed=98)))
    (shop / "images/2_2.jpg").write_bytes(encoded(picture(seed=97)))
    counts, found = night(tagger, shop, bundle_dir, "n3")
    assert set(found) == {"1", "2", "4"}
    assert found["1"]["images"][:2] == first["1"]["images"][:2], "what has not changed says the same"
    assert found["1"]["images"][2] != first["1"]["images"][2]
    assert len(found["4"]["images"]) == 3
    counts, found = night(tagger, shop, bundle_dir, "n4", "--images-per-item", 1)
    assert all(row["images"] is None for row in found.values())
    assert set(found) == set(IMAGES), "the first image alone is another question"


def test_a_lower_threshold_decides_items_with_several_images_anew(tagger: Run, shop: Path, bundle_dir: Path) -> None:
    _, first = night(tagger, shop, bundle_dir, "n1")
    _, found = night(tagger, shop, bundle_dir, "n2", "--accept-above", "0")
    assert {row["decision"] for row in first.values()} == {"review"}
    assert {item: row["decision"] for item, row in found.items()} == dict.fromkeys(IMAGES, "accept")
    assert [found[i]["articleTypeConfidence"] for i in IMAGES] == [first[i]["articleTypeConfidence"] for i in IMAGES]


def test_a_notebook_says_of_several_images_what_the_job_says(tagger: Run, shop: Path, bundle_dir: Path) -> None:
    (shop / "images/3.jpg").write_bytes(b"no image")
    _, by_job = night(tagger, shop, bundle_dir, "n1", "--embeddings")
    model = Tagger.load(str(bundle_dir), engine=ENGINE)
    images = [[str(shop / "images" / name) for name in names] for names in IMAGES.values()]
    table = model.tag([*images[:1], images[1][0], *images[2:]], ids=list(IMAGES))
    for row in table.to_dict("records"):
        want = by_job[row["id"]]
        assert (row["articleType"], row["articleTypeConfidence"]) == (
            want["articleType"],
            want["articleTypeConfidence"],
        )
        assert row["imageUri"] == want["imageUri"]
        assert (row["images"] is None) == (want["images"] is None)
    vectors = pq.read_table(shop / "runs/n1/embeddings").to_pylist()
    assert {v["id"]: v["imageDigest"] for v in vectors} == {i: row["imageDigest"] for i, row in by_job.items()}


def test_rows_of_one_item_are_tagged_once_and_known_again(tagger: Run, shop: Path, bundle_dir: Path) -> None:
    rows = [f"{item},{name},{item}-{name}" for item, names in IMAGES.items() for name in names]
    (shop / "m.csv").write_text("\n".join(["sku,file,id", *rows]) + "\n")
    by_rows = ("--images", f"{shop}/images/{{file}}", "--item-column", "sku")
    counts, found = night(tagger, shop, bundle_dir, "n1", *by_rows)
    assert (counts["rows"], counts["further"], counts["predictions"], counts["rejects"]) == (8, 4, 4, 0)
    names = {item: [Path(image["imageUri"]).name for image in row["images"] or []] for item, row in found.items()}
    assert names == {**IMAGES, "2": []}
    counts, _ = night(tagger, shop, bundle_dir, "n2", *by_rows)
    assert (counts["further"], counts["predictions"], counts["skipReasons"]) == (4, 0, {"known": 4})
    outcome = tagger("check", "--manifest", shop / "m.csv", *by_rows)
    assert re.search(r"further rows of items\D+4\D", outcome.out), outcome.out


def test_check_looks_at_every_image_and_counts_items(tagger: Run, shop: Path) -> None:
    (shop / "images/1_2.jpg").write_bytes(b"no image")
    outcome = tagger("check", "--manifest", shop / "m.csv", "--images", f"{shop}/images/{{id}}_{{n}}.jpg", "--json")
    document = json.loads(outcome.out)
    assert (document["imagesChecked"], document["imagesUsable"], document["itemsWithSeveralImages"]) == (8, 7, 3)


def test_a_training_learns_from_all_images_and_says_what_they_are_worth(tagger: Run, tmp_path: Path) -> None:
    drawn = draw_catalogue(tmp_path, 420, seed=5, unlabelled=0, oddities=False, views=0.7)
    outcome = tagger(
        "train", "--manifest", drawn.manifest, "--images", f"{drawn.images}/{{id}}_{{n}}.jpg", "--out",
        tmp_path / "bundle", "--backbone", "small_cnn", "--weights", "none", "--image-size", "64x48", "--min-items", 10,
        "--epochs", 6, "--batch-size", 32, "--lr", "6e-3", "--head-lr", "6e-3", "--val", "0.25", "--test", "0.2",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    card = json.loads((tmp_path / "bundle/bundle.json").read_text())
    pool = card["imagePool"]
    assert pool["fittedOn"] >= 50
    assert pool["first"] > 0
    said = next(line for line in outcome.err.splitlines() if "test items have several images" in line)
    by_all, by_first = (float(share) for share in re.findall(r"([\d.]+)%", said))
    assert by_all >= by_first
    (test,) = card["metrics"]
    assert test["levels"]["articleType"]["items"] == card["provenance"]["splitItems"]["test"], "items, not images"
