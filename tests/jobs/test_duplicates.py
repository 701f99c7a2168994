"""The duplicates job on an index that is made up: tried out with planted copies, and with judged pairs."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageOps

from tagger.demo.drawn_catalogue import Drawn
from tagger.imaging.decode import decode
from tagger.imaging.layout import layouts
from tagger.io.location import Location
from tagger.models.bundle import Bundle
from tests.builders import encoded
from tests.conftest import Outcome
from tests.indexes import made_index

Run = Callable[..., Outcome]
pytestmark = pytest.mark.slow


@pytest.fixture
def shop(drawn: Drawn, bundle: Bundle, tmp_path: Path) -> list[object]:
    """What the job is asked with: twenty pictures, and mirrored copies of the first three of them."""
    files = {file.stem: file.read_bytes() for file in sorted(Path(drawn.images).glob("*.jpg"))[20:40]}
    for item in list(files)[:3]:
        with Image.open(Path(drawn.images) / f"{item}.jpg") as image:
            files[f"{item}-copy"] = encoded(ImageOps.mirror(image.convert("RGB")), quality=92)
    images = tmp_path / "images"
    images.mkdir()
    for item, data in files.items():
        (images / f"{item}.jpg").write_bytes(data)
    pixels = [decode(data, bundle.card.preprocessing, 10**8).pixels for data in files.values()]
    items = pd.DataFrame({"id": list(files), "masterCategory": "Apparel", "articleType": "Shirts"})
    items["imageUri"] = [str(images / f"{item}.jpg") for item in files]
    items["imageDigest"] = [hashlib.sha256(data).hexdigest() for data in files.values()]
    items[["id", "masterCategory", "articleType"]].to_csv(tmp_path / "m.csv", index=False)
    vectors = np.random.default_rng(0).standard_normal((len(items), 8))
    model_id = bundle.card.model_id
    made_index(tmp_path / "index", items, vectors, layouts=layouts(np.stack(pixels)), model_id=model_id)
    return ["duplicates", tmp_path / "index", "--manifest", tmp_path / "m.csv", "--images", images]


@pytest.fixture
def ids(shop: list[object], tmp_path: Path) -> list[str]:
    """The shop's items; the last three are the copies of the first three."""
    return pd.read_csv(tmp_path / "m.csv", dtype=str)["id"].tolist()


def groups_in(folder: Path) -> set[frozenset[str]]:
    groups = pd.read_parquet(folder / "groups.parquet")
    return {frozenset(some["id"]) for _, some in groups.groupby("group")}


def test_planted_copies_are_found_among_the_items_and_nothing_is_written(
    tagger: Run, shop: list[object], bundle_dir: Path, tmp_path: Path
) -> None:
    before = sorted(tmp_path.rglob("*"))
    outcome = tagger(*shop, "--plant", 12, "--model", bundle_dir, "--json")
    assert outcome.code == 0, outcome.err
    said = json.loads(outcome.out)
    assert (said["plant"], said["images"]) == (12, 23)
    kinds = {row["kind"]: row for row in said["kinds"]}
    assert [*kinds] == ["resized", "recompressed", "cropped", "mirrored", "all"]
    assert [row["copies"] for row in kinds.values()] == [12, 12, 12, 12, 48]
    assert all(row["recall"] >= 0.9 <= row["precision"] for row in kinds.values()), kinds
    assert kinds["all"]["found"] == sum(row["found"] for name, row in kinds.items() if name != "all")
    assert [row["structure"] for row in said["thresholds"]] == [0.7, 0.75, 0.8, 0.85, 0.9, 0.95]
    assert [row["found"] for row in said["thresholds"]].index(kinds["all"]["found"]) <= 2, "0.8 is the threshold in use"

    strict = json.loads(tagger(*shop, "--plant", 12, "--model", bundle_dir, "--structure", 0.998, "--json").out)
    found = {row["kind"]: row["found"] for row in strict["kinds"]}
    assert found["all"] < kinds["all"]["found"]
    assert found["resized"] < found["mirrored"], "a mirrored copy is the most like"
    other = json.loads(tagger(*shop, "--plant", 12, "--model", bundle_dir, "--colour", 0.1, "--json").out)
    assert [row["found"] for row in other["thresholds"]] == [0] * 6, "their colours are not that near"
    assert other["kinds"][-1]["precision"] is None

    shown = tagger(*shop, "--plant", 500, "--model", bundle_dir)
    assert shown.code == 0, shown.err
    assert "Altered copies of 23 of 23 images" in shown.out
    rows = {line.split("│")[1].strip(): line for line in shown.out.splitlines() if "│" in line}
    assert {"resized", "all", "0.70", "0.95"} <= set(rows)
    assert " 92 " in rows["all"]
    assert shown.out.splitlines()[-1].startswith(f"Next: tagger duplicates --manifest {tmp_path / 'm.csv'} ")
    assert sorted(tmp_path.rglob("*")) == before


def test_images_that_cannot_be_read_have_no_copies(
    tagger: Run, shop: list[object], ids: list[str], bundle_dir: Path, tmp_path: Path
) -> None:
    for item in ids[3:13]:
        (tmp_path / "images" / f"{item}.jpg").write_bytes(b"no image")
    outcome = tagger(*shop, "--plant", 23, "--model", bundle_dir, "--json")
    assert outcome.code == 0, outcome.err
    assert "10 of these images could not be read" in outcome.err
    assert json.loads(outcome.out)["kinds"][-1]["copies"] == 4 * 13
    for item in ids:
        (tmp_path / "images" / f"{item}.jpg").write_bytes(b"no image")
    nothing = tagger(*shop, "--plant", 5, "--model", bundle_dir)
    assert (nothing.code, "none of 5 images could be read" in nothing.err) == (3, True)


def test_many_images_that_cannot_be_read_end_the_command_with_a_warning_and_exit_code_4(
    tagger: Run, shop: list[object], ids: list[str], tmp_path: Path
) -> None:
    compared = set(ids[:3]) | {f"{item}-copy" for item in ids[:3]}
    for item in ids[:2]:
        (tmp_path / "images" / f"{item}.jpg").unlink()
    outcome = tagger(*shop, "--out", tmp_path / "out", "--json")
    document = json.loads(outcome.out)
    assert (outcome.code, document["unreadImages"]) == (4, 2)
    assert document["images"] >= len(compared)
    unread = f"! 2 of {document['images']} images to compare could not be read, so {document['unread']} of "
    assert f"{unread}{document['pairs']} pairs were not compared; the first: " in outcome.err
    assert any(f"images/{item}.jpg: " in outcome.err for item in ids[:2])


def test_items_of_the_manifest_that_the_index_lacks_are_counted(
    tagger: Run, shop: list[object], tmp_path: Path
) -> None:
    with (tmp_path / "m.csv").open("a") as manifest:
        manifest.write("".join(f"new{n},Apparel,Shirts\n" for n in range(30)))
    outcome = tagger(*shop, "--out", tmp_path / "out")
    assert outcome.code == 0, outcome.err
    assert f"! 30 of 53 items of {tmp_path / 'm.csv'} are not in the index" in outcome.err


def test_the_sample_of_pairs_comes_as_a_page_and_as_a_table(tagger: Run, shop: list[object], tmp_path: Path) -> None:
    outcome = tagger(*shop, "--out", tmp_path / "out")
    assert outcome.code == 0, outcome.err
    pairs = pd.read_parquet(tmp_path / "out/pairs.parquet")
    assert pairs["judged"].isna().all()
    near = pairs[(pairs["structure"] >= 0.6) & (pairs["colour"] <= 10)]
    sample = pd.read_csv(tmp_path / "out/sample.csv", dtype={"first": str, "second": str})
    assert sample.columns.tolist() == ["first", "second", "structure", "same"]
    assert sample["same"].isna().all()
    assert {frozenset(pair) for pair in sample[["first", "second"]].to_numpy()} == {
        frozenset(pair) for pair in near[["first", "second"]].to_numpy()
    }
    page = (tmp_path / "out/index.html").read_text()
    assert page.count("<li ") == len(sample) >= 3
    row = sample.iloc[0]
    assert f'data-first="{row["first"]}" data-second="{row["second"]}" data-structure="{row["structure"]:.6g}"' in page
    assert 'src="http' not in page


def test_there_may_be_nothing_to_judge(tagger: Run, shop: list[object], tmp_path: Path) -> None:
    outcome = tagger(*shop, "--out", tmp_path / "out", "--colour", 0.001)
    assert outcome.code == 0, outcome.err
    assert (tmp_path / "out/sample.csv").read_text("utf-8-sig").split() == ["first,second,structure,same"]
    page = (tmp_path / "out/index.html").read_text()
    assert "No two items show one picture" in page
    assert "Judge a sample" not in page


def test_a_pair_counts_as_it_was_judged_whatever_the_threshold(
    tagger: Run, shop: list[object], ids: list[str], tmp_path: Path
) -> None:
    assert tagger(*shop, "--out", tmp_path / "before").code == 0
    copies = {frozenset([item, f"{item}-copy"]) for item in ids[:3]}
    assert groups_in(tmp_path / "before") == copies
    rows = [
        "first,second,structure,same",
        f"{ids[0]},{ids[0]}-copy,0.97,false",
        f"{ids[1]},{ids[1]}-copy,0.96,true",
        f"{ids[9]},{ids[8]},0.3,true",
        f"{ids[2]},gone,0.9,true",
        f"{ids[2]},{ids[2]}-copy,0.95,",
    ]
    (tmp_path / "judged.csv").write_text("\n".join(rows) + "\n")
    judged = ["--judged", tmp_path / "judged.csv"]
    outcome = tagger(*shop, "--out", tmp_path / "after", *judged, "--json")
    assert outcome.code == 0, outcome.err
    joined = frozenset([ids[8], ids[9]])
    assert groups_in(tmp_path / "after") == copies - {frozenset([ids[0], f"{ids[0]}-copy"])} | {joined}
    assert "1 of 4 judged pairs are left out" in outcome.err
    said = json.loads(outcome.out)
    assert said["structure"] == 0.8
    found = said["judged"]
    assert (found["pairs"], found["reaching"], found["right"], found["precision"]) == (3, 2, 1, 0.5)
    assert 0 < found["lowest"] < 0.5 < found["highest"] < 1
    pairs = pd.read_parquet(tmp_path / "after/pairs.parquet")
    by_ids = {frozenset([row["first"], row["second"]]): row for row in pairs.to_dict("records")}
    assert (by_ids[joined]["judged"], by_ids[joined]["same"]) == (True, True)
    assert by_ids[joined]["structure"] < 0.8, "it was compared, too"
    assert (pairs["judged"].notna().sum(), len(pairs)) == (3, len(by_ids))
    page = (tmp_path / "after/index.html").read_text()
    assert page.count(" checked>") == 1, "what was judged is there to be changed"
    written = pd.read_csv(tmp_path / "after/sample.csv", dtype=str).set_index("first")["same"]
    assert (written[ids[0]], written[ids[1]]) == ("false", "true")
    assert pd.isna(written[ids[2]])
    shown = tagger(*shop, "--out", tmp_path / "shown", *judged)
    assert "Of 2 judged pairs with a structure of 0.8 or more, 1 are one picture: precision 50.0%" in shown.out
    assert "with a probability of 95% between 1.3% and 98.7%" in shown.out


def test_pairs_that_others_connect_stay_together_and_that_is_said(
    tagger: Run, shop: list[object], ids: list[str], tmp_path: Path
) -> None:
    a, b = ids[0], f"{ids[0]}-copy"
    third = ids[7]
    rows = ["first,second,structure,same", f"{a},{b},0.9,false", f"{b},{third},0.3,true", f"{a},{third},0.3,true"]
    (tmp_path / "judged.csv").write_text("\n".join(rows) + "\n")
    outcome = tagger(*shop, "--out", tmp_path / "out", "--judged", tmp_path / "judged.csv")
    assert outcome.code == 0, outcome.err
    assert frozenset([a, b, third]) in groups_in(tmp_path / "out")
    assert "1 pairs that were judged different are in one group" in outcome.err


def test_a_precision_chooses_the_threshold(tagger: Run, shop: list[object], ids: list[str], tmp_path: Path) -> None:
    rows = [
        "first,second,structure,same",
        f"{ids[5]},{ids[6]},1,true",
        f"{ids[6]},{ids[7]},0.9999,true",
        f"{ids[7]},{ids[8]},0.5,false",
    ]
    (tmp_path / "judged.csv").write_text("\n".join(rows) + "\n")
    asked = [*shop, "--judged", tmp_path / "judged.csv", "--out"]
    outcome = tagger(*asked, tmp_path / "out", "--precision", 1, "--json")
    assert outcome.code == 0, outcome.err
    said = json.loads(outcome.out)
    assert (said["structure"], said["judged"]["precision"]) == (0.9999, 1)
    assert groups_in(tmp_path / "out") == {frozenset(ids[5:8])}, "the copies of the shop are less alike than that"
    lower = json.loads(tagger(*asked, tmp_path / "lower", "--precision", 0.6, "--json").out)
    assert lower["structure"] == 0.5
    assert len(groups_in(tmp_path / "lower")) > 1
    (tmp_path / "judged.csv").write_text("\n".join(rows[:2] + rows[3:]).replace(",1,true", ",0.4,true") + "\n")
    refused = tagger(*asked, tmp_path / "no", "--precision", 0.9)
    assert (refused.code, "the best is 0.5, from 0.4 on" in refused.err) == (2, True), refused.err


@pytest.mark.parametrize(
    ("given", "code", "words"),
    [
        ([], 2, "name a folder for what is found: out"),
        (["--out", "no", "--precision", "0.9"], 2, "name their file with judged"),
        (["--out", "no", "--judged", "j.csv", "--precision", "0.9", "--structure", "0.8"], 2, "give one of the two"),
        (["--plant", "3", "--judged", "j.csv"], 2, "leave judged and out"),
        (["--plant", "3"], 2, "--model: name the bundle that the index was made with"),
        (["--plant", "3", "--model", "nowhere"], 2, "there is no bundle"),
        (["--out", "no", "--judged", "nowhere.csv"], 2, "--judged: there is no file"),
    ],
)
def test_what_cannot_be_asked_says_why(
    tagger: Run, shop: list[object], tmp_path: Path, given: list[str], code: int, words: str
) -> None:
    outcome = tagger(*shop, *(tmp_path / name if name in ("no", "j.csv") else name for name in given))
    assert (outcome.code, words in outcome.err) == (code, True), outcome.err


def test_judged_pairs_and_models_that_do_not_fit_are_refused(
    tagger: Run, shop: list[object], ids: list[str], bundle: Bundle, tmp_path: Path
) -> None:
    other = bundle.changed(blur_threshold=77.0)
    other.save(Location(str(tmp_path / "other")))
    refused = tagger(*shop, "--plant", 3, "--model", tmp_path / "other")
    assert (refused.code, "but the index was made with" in refused.err) == (2, True)
    rows = ["first,second,structure,same", f"{ids[0]},{ids[1]},0.9,true", f"{ids[1]},{ids[0]},0.9,false"]
    (tmp_path / "judged.csv").write_text("\n".join(rows) + "\n")
    twice = tagger(*shop, "--out", tmp_path / "out", "--judged", tmp_path / "judged.csv")
    assert (twice.code, "judged.csv, lines 2, 3: one pair is judged in two ways" in twice.err) == (3, True), twice.err
