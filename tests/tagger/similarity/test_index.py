"""An index finds what comparing with every vector finds, whatever was added, replaced and merged."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from tagger.errors import InputError, UsageError
from tagger.imaging.layout import LAYOUT_SIZE
from tagger.io.location import Location
from tagger.schemas.documents.index import INDEXED, IndexCard
from tagger.schemas.tables.similar import SIMILAR
from tagger.similarity import build
from tagger.similarity.build import Piece, add
from tagger.similarity.index import VectorIndex
from tagger.similarity.search import Criteria, Queries, Similar

DIM = 24


def vectors(count: int, seed: int = 0, groups: int = 60) -> np.ndarray:
    """Unit vectors float16 around some centres, as images of classes have them."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).standard_normal((groups, DIM))
    points = centres[rng.integers(0, groups, count)] + 0.5 * rng.standard_normal((count, DIM))
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float16)


def piece(ids: list[str], rows: np.ndarray, **columns: Sequence[str | None]) -> Piece:
    columns_of_all: dict[str, object] = {
        "id": ids,
        "imageUri": [f"{i}.jpg" for i in ids],
        "imageDigest": [f"digest of {i}" for i in ids],
        "masterCategory": ["Apparel"] * len(ids),
        "articleType": ["Shirts"] * len(ids),
        "labelled": [True] * len(ids),
    } | columns
    extra = [pa.field(name, pa.string()) for name in columns if name not in INDEXED.names]
    layouts = np.zeros((len(ids), LAYOUT_SIZE), np.float16)
    return Piece(pa.table(columns_of_all, schema=pa.schema([*INDEXED, *extra])), rows, layouts)


def names(count: int, prefix: str = "i") -> list[str]:
    return [f"{prefix}{n}" for n in range(count)]


@pytest.fixture
def folder(tmp_path: Path) -> Location:
    index_folder = Location(str(tmp_path / "index"))
    index_folder.mkdir()
    return index_folder


EMPTY = IndexCard(model_id="m", dimension=DIM)


def nearest(queries: np.ndarray, among: np.ndarray, count: int) -> np.ndarray:
    """Cosines of the nearest by comparing with each, [Q, count]."""
    cosines = queries.astype(np.float32) @ among.astype(np.float32).T
    return -np.sort(-cosines, axis=1)[:, :count]


def test_a_small_index_is_exact(folder: Location) -> None:
    stored = vectors(500)
    card = add(folder, EMPTY, [piece(names(300), stored[:300]), piece(names(200, "j"), stored[300:])])
    assert (card.items, [s.lists for s in card.segments]) == (500, [1])
    index = VectorIndex(folder)
    neighbours = index.search(stored[:50].astype(np.float32), 5)
    assert neighbours.cosines == pytest.approx(nearest(stored[:50], stored, 5), abs=1e-4)
    assert neighbours.positions[:, 0].tolist() == list(range(50))
    assert index.items["id"].take(pa.array(neighbours.positions[:2, 0])).to_pylist() == ["i0", "i1"]
    assert index.vectors(np.array([310, 4])) == pytest.approx(stored[[310, 4]].astype(np.float32))


def test_a_large_index_looks_at_few_clusters_and_knows_its_recall(folder: Location) -> None:
    stored = vectors(12_000)
    card = add(folder, EMPTY, [piece(names(12_000), stored)])
    (segment,) = card.segments
    assert segment.lists > 100
    assert segment.probes < segment.lists / 3
    assert segment.recall >= 0.99
    queries = vectors(300, seed=5)
    neighbours = VectorIndex(folder).search(queries.astype(np.float32), 5)
    right = neighbours.cosines >= nearest(queries, stored, 5) - 1e-3
    assert right.mean() > 0.97


def test_what_is_found_over_several_segments_is_what_one_would_find(
    folder: Location, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "_SEGMENT", 400)
    stored = vectors(1000)
    pieces = [piece(names(100, f"{n}-"), stored[100 * n : 100 * n + 100]) for n in range(10)]
    card = add(folder, EMPTY, iter(pieces))
    assert [s.items for s in card.segments] == [400, 400, 200]
    neighbours = VectorIndex(folder).search(stored[::7].astype(np.float32), 4)
    assert neighbours.cosines == pytest.approx(nearest(stored[::7], stored, 4), abs=1e-4)


def test_the_newest_of_an_item_counts_and_many_small_segments_become_one(folder: Location) -> None:
    stored = vectors(300)
    card = add(folder, EMPTY, [piece(names(200), stored[:200])])
    for night in range(7):
        changed = stored[200 + night : 201 + night]
        card = add(folder, card, [piece([f"i{night}"], changed, articleType=["Tops"])])
        index = VectorIndex(folder)
        (number,) = index.positions([f"i{night}"])
        assert index.items["articleType"][int(number)].as_py() == "Tops"
        assert index.vectors(np.array([number])) == pytest.approx(changed.astype(np.float32))
        assert card.items == 200
    assert len(card.segments) == 1, "the eighth merged them"
    living = np.concatenate([stored[7:200], stored[200:207]])
    index = VectorIndex(folder)
    assert len(index) == 200
    neighbours = index.search(stored[:40].astype(np.float32), 5)
    assert neighbours.cosines == pytest.approx(nearest(stored[:40], living, 5), abs=1e-4)
    assert sorted(p.name for p in Path(folder.path).iterdir()) == ["index.json", card.segments[0].name]


def test_a_replaced_item_is_not_found_in_clusters(folder: Location) -> None:
    stored = vectors(12_000)
    card = add(folder, EMPTY, [piece(names(12_000), stored)])
    elsewhere = -stored[:1]
    add(folder, card, [piece(["i0"], elsewhere)])
    index = VectorIndex(folder)
    neighbours = index.search(stored[:1].astype(np.float32), 3)
    assert 0 not in neighbours.positions
    assert index.positions(["i0"]).tolist() == [12_000]
    assert index.is_live.sum() == 12_000


def test_a_killed_build_leaves_the_index_as_it_was(folder: Location, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "_SEGMENT", 100)
    stored = vectors(300)

    def killed() -> object:
        yield piece(names(100), stored[:100])
        yield piece(names(50, "j"), stored[100:150])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        add(folder, EMPTY, killed())  # type: ignore[arg-type]
    left = VectorIndex(folder)
    assert left.card.items == 100
    (Path(folder.path) / "_building-x").mkdir()
    (Path(folder.path) / "segment-00001").mkdir()  # as a kill between writing a segment and the card leaves it
    shutil.rmtree(Path(folder.path) / "segment-00001")
    card = add(folder, left.card, [piece(names(50, "j"), stored[100:150])])
    assert card.items == 150
    assert not (Path(folder.path) / "_building-x").exists()


def test_criteria_leave_out_items_and_the_search_looks_further(folder: Location) -> None:
    angles = np.radians(2.5 * np.arange(60))  # each is most like its neighbours in the list
    stored = np.zeros((60, DIM), np.float16)
    stored[:, 0], stored[:, 1] = np.cos(angles), np.sin(angles)
    types = ["Shirts"] * 50 + ["Tops"] * 10
    products: list[str | None] = ["p1"] * 40 + [None] * 20
    add(folder, EMPTY, [piece(names(60), stored, articleType=types, product=products)])
    index = VectorIndex(folder)

    def neighbours(criteria: Criteria, item: str = "i0") -> list[str]:
        return Similar(index, criteria).items([item])["similarId"].to_pylist()

    assert neighbours(Criteria(3)) == ["i1", "i2", "i3"]
    assert neighbours(Criteria(3, unlike=["product"])) == ["i40", "i41", "i42"], "beyond the first 3 + 8"
    assert set(neighbours(Criteria(2, same=["articleType"]), "i55")) == {"i54", "i56"}
    assert set(neighbours(Criteria(9, same=["articleType"]), "i55")) == {f"i{n}" for n in range(50, 60)} - {"i55"}
    assert len(neighbours(Criteria(20, same=["articleType"]), "i55")) == 9, "there are no more"
    foreign = Queries(["photo"], stored[:1].astype(np.float32), np.array([-1]), {"articleType": ["Tops"]})
    table = Similar(index, Criteria(2, same=["articleType"])).find(foreign)
    assert table.schema.equals(SIMILAR)
    assert table["similarId"].to_pylist() == ["i50", "i51"]
    assert table["rank"].to_pylist() == [1, 2]
    with pytest.raises(UsageError, match="colour: the index has no such column"):
        Similar(index, Criteria(same=["colour"]))


def test_identical_images_can_be_left_out(folder: Location) -> None:
    stored = vectors(4)
    twice = np.concatenate([stored[:1], stored])
    digests: list[str | None] = ["a", "a", "b", "c", "d"]
    add(folder, EMPTY, [piece(names(5), twice, imageDigest=digests)])
    index = VectorIndex(folder)
    assert Similar(index, Criteria(1)).items(["i0"])["similarId"].to_pylist() == ["i1"]
    assert "i1" not in Similar(index, Criteria(4, other_images=True)).items(["i0"])["similarId"].to_pylist()


def test_what_is_no_index_is_refused(folder: Location, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no index"):
        VectorIndex(folder)
    (folder / "run.json").write_text("{}")
    with pytest.raises(UsageError, match=r"is a run; tagger index .* --out FOLDER makes an index of it"):
        VectorIndex(folder)
    with pytest.raises(UsageError, match="is in a bucket"):
        VectorIndex(Location("s3://bucket/index"))
    card = add(folder, EMPTY, [piece(names(20), vectors(20))])
    with pytest.raises(InputError, match="its vectors have 7 dimensions, those of the index 24"):
        add(folder, card, [piece(names(3), vectors(3)[:, :7])])
    (tmp_path / "index" / card.segments[0].name / "vectors.f16").write_bytes(b"short")
    with pytest.raises(InputError, match="segment-00000 cannot be read"):
        VectorIndex(folder)
    (tmp_path / "index/index.json").write_text("{}")
    with pytest.raises(InputError, match="is not an index"):
        VectorIndex(folder)


def test_a_segment_whose_items_are_all_replaced_leaves_the_disk_and_the_card(folder: Location) -> None:
    add(folder, EMPTY, [piece(names(50), vectors(50))])
    card = add(folder, VectorIndex(folder).card, [piece(names(50), vectors(50, seed=1))])
    assert [s.name for s in card.segments] == ["segment-00001"]
    assert VectorIndex(folder).card == card, "the card on disk says the same"
    assert sorted(p.name for p in Path(folder.path).iterdir() if p.name.startswith("segment")) == ["segment-00001"]
