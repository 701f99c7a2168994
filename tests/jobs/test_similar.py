"""Image vectors from the tag job, and what is found with them."""

import itertools
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from PIL import Image, ImageOps

from tagger.deduplication.groups import IndexLayouts, distinct_images
from tagger.deduplication.planted import Copies, Kind, PlantedLayouts
from tagger.demo.drawn_catalogue import Drawn
from tagger.io.location import Location
from tagger.models.bundle import Bundle
from tagger.similarity.index import VectorIndex
from tests.builders import encoded
from tests.conftest import Outcome

Run = Callable[..., Outcome]
pytestmark = pytest.mark.usefixtures("embedded_ray")


@pytest.fixture
def embedded(tagger: Run, drawn: Drawn, bundle_dir: Path, tmp_path: Path) -> Path:
    """A run with image vectors, of several parts."""
    outcome = tagger(
        "tag", "--manifest", drawn.manifest, "--images", drawn.images, "--model", bundle_dir, "--out", tmp_path / "run",
        "--embeddings", "--part-rows", 100,
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    assert f"Embeddings: {tmp_path / 'run' / 'embeddings'}" in outcome.out + outcome.err
    return tmp_path / "run"


def document_of(index: Path) -> dict[str, dict[str, object]]:
    document: dict[str, dict[str, object]] = json.loads((index / "index.json").read_text())
    return document


def test_the_tag_job_writes_a_vector_for_every_item_that_it_tags(
    tagger: Run, drawn: Drawn, bundle_dir: Path, embedded: Path, tmp_path: Path
) -> None:
    predictions = pd.read_parquet(embedded / "predictions").set_index("id")
    vectors = pd.read_parquet(embedded / "embeddings").set_index("id")
    good = predictions[predictions["decision"] != "failed"]
    assert set(vectors.index) == set(good.index)
    assert vectors["imageDigest"].sort_index().equals(good["imageDigest"].sort_index())
    lengths = [float(np.linalg.norm(vector.astype(np.float32))) for vector in vectors["vector"]]
    assert lengths == pytest.approx([1] * len(vectors), abs=2e-3)

    plain = tagger(
        "tag", "--manifest", drawn.manifest, "--images", drawn.images, "--model", bundle_dir, "--out", tmp_path / "no",
        "--part-rows", 100,
    )  # fmt: skip
    assert plain.code == 0, plain.err
    without = pd.read_parquet(tmp_path / "no/predictions").set_index("id")
    columns = ["masterCategory", "masterCategoryConfidence", "articleType", "articleTypeConfidence", "decision"]
    assert without[columns].equals(predictions[columns]), "vectors change no prediction"
    assert not (tmp_path / "no/embeddings").exists()


def test_a_part_that_is_made_again_brings_its_vectors(
    tagger: Run, drawn: Drawn, bundle_dir: Path, embedded: Path
) -> None:
    before = pd.read_parquet(embedded / "embeddings")
    (embedded / "_SUCCESS").unlink()
    (embedded / "predictions/part-00001.parquet").unlink()
    (embedded / "embeddings/part-00001.parquet").write_bytes(b"half of a")
    again = tagger(
        "tag", "--manifest", drawn.manifest, "--images", drawn.images, "--model", bundle_dir, "--out", embedded,
        "--embeddings", "--part-rows", 100,
    )  # fmt: skip
    assert again.code == 0, again.err
    pd.testing.assert_frame_equal(pd.read_parquet(embedded / "embeddings"), before)


def test_a_run_becomes_an_index_that_finds_what_looks_alike(
    tagger: Run, drawn: Drawn, bundle_dir: Path, embedded: Path, tmp_path: Path
) -> None:
    index = tmp_path / "index"
    made = tagger("index", embedded, "--out", index, "--manifest", drawn.manifest, "--keep", "baseColour", "--json")
    assert made.code == 0, made.err
    vectors = pd.read_parquet(embedded / "embeddings").set_index("id")
    document = json.loads(made.out)
    assert (document["items"], document["counts"]["new"]) == (len(vectors), len(vectors))

    item = str(vectors.index[3])
    outcome = tagger("similar", index, "--id", item, "--top", 4, "--json")
    assert outcome.code == 0, outcome.err
    rows = json.loads(outcome.out)["similar"]
    matrix = np.stack(vectors["vector"].to_list()).astype(np.float32)
    cosines = pd.Series(matrix @ matrix[3], index=vectors.index).drop(item).sort_values(ascending=False)
    assert [r["cosine"] for r in rows] == pytest.approx(cosines.head(4).tolist(), abs=1e-3)
    assert [r["rank"] for r in rows] == [1, 2, 3, 4]
    assert all(r["id"] == item != r["similarId"] for r in rows)
    known = pd.read_csv(drawn.manifest, dtype=str, on_bad_lines="skip").drop_duplicates("id").set_index("id")
    labelled = [r for r in rows if r["labelled"]]
    assert labelled
    assert all(known.loc[r["similarId"], "articleType"] == r["articleType"] for r in labelled)

    image = Path(drawn.images) / f"{item}.jpg"
    by_image = json.loads(tagger("similar", index, "--image", image, "--top", 1, "--json").out)["similar"]
    assert (by_image[0]["id"], by_image[0]["similarId"]) == (str(image), item)
    assert by_image[0]["cosine"] == pytest.approx(1, abs=1e-3)
    shown = tagger("similar", index, "--id", item)
    assert f"Items that look like {item}" in shown.out
    catalogue = f"--manifest {drawn.manifest} --images {drawn.images}"
    assert shown.out.splitlines()[-1] == f"Next: tagger duplicates {index} {catalogue} --out {index}-duplicates"

    assert document_of(index)["catalogue"]["manifest"] == str(drawn.manifest)

    bulk = tagger("similar", index, "--run", embedded, "--top", 2, "--out", tmp_path / "bulk", "--unlike", "baseColour")
    assert bulk.code == 0, bulk.err
    table = pd.read_parquet(tmp_path / "bulk")
    assert (tmp_path / "bulk/_SUCCESS").exists()
    assert set(table["id"]) == set(vectors.index)
    colour = known["baseColour"]
    pairs = [(colour.get(a), colour.get(b)) for a, b in zip(table["id"], table["similarId"], strict=True)]
    assert all(a != b or pd.isna(a) for a, b in pairs)
    listed = tagger("similar", index, "--manifest", drawn.manifest, "--top", 1, "--out", tmp_path / "listed")
    assert listed.code == 0, listed.err
    assert set(pd.read_parquet(tmp_path / "listed")["id"]) == set(vectors.index)


def test_an_index_takes_what_is_new_or_changed_and_nothing_else(
    tagger: Run, drawn: Drawn, bundle_dir: Path, embedded: Path, tmp_path: Path
) -> None:
    index = tmp_path / "index"
    assert tagger("index", embedded, "--out", index, "--manifest", drawn.manifest).code == 0
    again = json.loads(tagger("index", embedded, "--out", index, "--manifest", drawn.manifest, "--json").out)
    assert again["counts"] == {"there already": again["items"]}
    assert len(again["segments"]) == 1
    frame = pd.read_csv(drawn.manifest, dtype=str, on_bad_lines="skip")
    labelled = frame.dropna(subset=["id", "masterCategory", "articleType"]).drop_duplicates("id")
    vectors = pd.read_parquet(embedded / "embeddings")
    item = next(i for i in labelled["id"] if i in set(vectors["id"]))
    frame.loc[frame["id"] == item, "articleType"] = "Renamed"
    frame.to_csv(tmp_path / "changed.csv", index=False)
    other = ["--manifest", tmp_path / "changed.csv", "--json"]
    changed = json.loads(tagger("index", embedded, "--out", index, *other).out)
    assert changed["counts"]["changed"] == 1
    assert changed["items"] == again["items"]
    rows = json.loads(tagger("similar", index, "--id", item, "--top", 1000, "--json").out)["similar"]
    assert item not in {r["similarId"] for r in rows}
    assert len(rows) == again["items"] - 1


def test_what_cannot_be_answered_says_why(
    tagger: Run, drawn: Drawn, bundle_dir: Path, embedded: Path, tmp_path: Path
) -> None:
    plain = tmp_path / "plain"
    assert tagger("tag", "--manifest", drawn.manifest, "--images", drawn.images, "--model", bundle_dir, "--out", plain)
    index = tmp_path / "index"
    refused: list[tuple[list[object], int, str]] = [
        (["index", plain, "--out", index], 3, "tagger tag --embeddings writes them"),
        (["index", embedded, "--out", index, "--keep", "baseColour"], 2, "--manifest"),
        (
            ["index", embedded, "--out", index, "--manifest", drawn.manifest, "--keep", "x"],
            2,
            "--keep x: --manifest has no",
        ),
        (["index", embedded, "--out", "s3://b/i"], 2, "is in a bucket"),
        (["similar", index, "--id", "1"], 2, "there is no index"),
    ]
    for arguments, code, words in refused:
        outcome = tagger(*arguments)
        assert (outcome.code, words in outcome.err) == (code, True), outcome.err
    assert tagger("index", embedded, "--out", index).code == 0
    (tmp_path / "text.jpg").write_text("no image")
    unanswered: list[tuple[list[object], str]] = [
        (["--id", "nobody"], "--id nobody: there is no such item in"),
        (["--id", "1", "--image", "x.jpg"], "one of id, image, manifest and run"),
        (["--manifest", drawn.manifest], "name a folder for them: out"),
        (["--image", tmp_path / "text.jpg"], "text.jpg: "),
        (["--id", "1", "--same", "colour"], "colour: the index has no such column"),
    ]
    for flags, words in unanswered:
        outcome = tagger("similar", index, *flags)
        assert (outcome.code, words in outcome.err) == (2, True), outcome.err


def shop_with_copies(drawn: Drawn, folder: Path) -> tuple[list[object], set[frozenset[str]]]:
    """A catalogue of 30 pictures and altered copies of 20 of them: its flags, and the ids of each such pair."""
    images = folder / "images"
    images.mkdir()
    originals = sorted(Path(drawn.images).glob("*.jpg"))[20:50]
    changes: dict[str, Callable[[Image.Image], Image.Image]] = {
        "exact": lambda image: image,
        "resized": lambda image: image.resize((image.width * 4 // 5, image.height * 4 // 5), Image.Resampling.LANCZOS),
        "flipped": ImageOps.mirror,
        "cropped": lambda image: image.crop((1, 1, image.width - 1, image.height - 1)),
    }
    rows = ["id,masterCategory,articleType"]
    expected: set[frozenset[str]] = set()
    for number, file in enumerate(originals):
        data = file.read_bytes()
        (images / f"{file.stem}.jpg").write_bytes(data)
        rows.append(f"{file.stem},Apparel,Shirts")
        name = [*changes][number % 6] if number % 6 < len(changes) else None  # two of six have no copy
        if name:
            copy = f"{file.stem}-{name}"
            changed = changes[name](Image.open(file).convert("RGB"))
            (images / f"{copy}.jpg").write_bytes(data if name == "exact" else encoded(changed, quality=92))
            rows.append(f"{copy},Apparel,{'Tops' if name == 'flipped' else 'Shirts'}")
            expected.add(frozenset([file.stem, copy]))
    (folder / "m.csv").write_text("\n".join(rows) + "\n")
    return ["--manifest", folder / "m.csv", "--images", images], expected


def test_copies_of_a_picture_are_found_and_others_are_not(
    tagger: Run, drawn: Drawn, bundle_dir: Path, tmp_path: Path
) -> None:
    shop, expected = shop_with_copies(drawn, tmp_path)
    tagged = tagger("tag", *shop, "--model", bundle_dir, "--out", tmp_path / "run", "--embeddings")
    assert tagged.code == 0, tagged.err
    assert tagger("index", tmp_path / "run", "--out", tmp_path / "index", "--manifest", tmp_path / "m.csv").code == 0
    outcome = tagger("duplicates", tmp_path / "index", *shop, "--out", tmp_path / "copies", "--json")
    assert outcome.code == 0, outcome.err
    groups = pd.read_parquet(tmp_path / "copies/groups.parquet")
    groups_of_ids = {frozenset(group["id"]) for _, group in groups.groupby("group")}
    together = {pair for group in groups_of_ids for pair in map(frozenset, itertools.combinations(sorted(group), 2))}
    assert len(expected & together) >= 0.9 * len(expected), expected - together
    assert len(together - expected) <= 1, "of 1,100 pairs that are no copies"
    assert json.loads(outcome.out)["groups"] == len(groups_of_ids)
    kinds = groups.set_index("id")["sameness"]
    assert all(kinds[i] in ("exact", "representative") for i in kinds.index if i.endswith("-exact"))
    flipped = groups[groups["id"].str.endswith("-flipped")]
    assert len(flipped)
    assert flipped["conflict"].all(), "they were given another label"
    pairs = pd.read_parquet(tmp_path / "copies/pairs.parquet")
    assert pairs["same"].sum() <= len(pairs)
    page = (tmp_path / "copies/index.html").read_text()
    assert page.count("<section>") == len(groups_of_ids)
    assert "data:image/jpeg;base64," in page
    bundle = tmp_path / "bundle"
    (bundle / "report").mkdir(parents=True)
    test = sorted(i for pair in expected for i in pair if "-" in i)
    sides = {i: "test" if i in test else "train" for pair in expected for i in pair}
    pd.DataFrame(sides.items(), columns=["id", "split"]).to_parquet(bundle / "splits.parquet")
    tested = pd.DataFrame({"id": [*test, "other"], "articleType": "Shirts", "articleTypeTrue": "Shirts"})
    tested.loc[tested["id"] == "other", "articleType"] = "Tops"
    tested.to_parquet(bundle / "report/items.parquet")
    leaked = tagger("duplicates", tmp_path / "index", *shop, "--out", tmp_path / "more", "--model", bundle)
    assert leaked.code == 0, leaked.err
    lines = {line.split("│")[1].strip(): line.split("│")[2:4] for line in leaked.out.splitlines() if "│" in line}
    copies, right = (cell.strip() for cell in lines["with a copy among the train items"])
    assert int(copies) >= 0.9 * len(test)
    assert right == "100.00%"
    assert "0.00" in lines["without one"][1] or int(copies) < len(test)
    again = tagger("duplicates", tmp_path / "index", *shop, "--out", tmp_path / "copies")
    assert (again.code, "is not empty" in again.err) == (2, True)


def test_copies_are_planted_with_layouts_as_the_tag_job_makes_them(
    tagger: Run, drawn: Drawn, bundle: Bundle, embedded: Path, tmp_path: Path
) -> None:
    assert tagger("index", embedded, "--out", tmp_path / "index").code == 0
    index = VectorIndex(Location(str(tmp_path / "index")))
    distinct = distinct_images(index)
    originals = IndexLayouts(index, distinct.positions)
    refs = index.items["imageUri"].take(pa.array(distinct.positions[:40])).to_pylist()
    files = tuple(Path(ref).read_bytes() for ref in refs)
    copies = Copies(len(originals), np.arange(40), np.array([Kind.RECOMPRESSED] * 40, object), files)
    layouts = PlantedLayouts(originals, copies, bundle.card.preprocessing, 10**8)
    mixed = np.array([len(originals) + 7, 3, len(originals) + 39])
    assert np.array_equal(layouts.take(mixed), originals.take(np.array([7, 3, 39])))
    assert len(layouts) == len(originals) + 40
    shop = ["--manifest", drawn.manifest, "--images", drawn.images]
    tried = tagger("duplicates", tmp_path / "index", *shop, "--plant", 10, "--json")
    assert tried.code == 0, tried.err
    said = json.loads(tried.out)["kinds"][-1]
    assert said["copies"] == 40
    assert said["recall"] >= 0.9
