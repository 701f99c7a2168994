"""How well vectors find items of the same class, by hand and against scikit-learn."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import average_precision_score

from tagger.similarity.retrieval import by_chance, colour_histograms, retrieve
from tests.builders import catalog_of, encoded


def test_figures_by_hand() -> None:
    """The query's cosines fall with the item's number; the first, third and fourth item are of its class."""
    angles = np.linspace(0.1, 1.2, 6)
    gallery = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    query = np.array([[1, 0]], np.float32)
    classes = {"articleType": (np.array([7]), np.array([7, 2, 7, 7, 2, 2]))}
    retrieved = retrieve(query, gallery, classes)
    (row,) = retrieved.figures.to_dict("records")
    assert row["precision@1"] == 1
    assert row["precision@5"] == pytest.approx(3 / 5)
    assert row["recall@1"] == pytest.approx(1 / 3)
    assert row["precision@20"] == pytest.approx(3 / 6), "there are no more"
    assert row["average_precision"] == pytest.approx((1 + 2 / 3 + 3 / 4) / 3)
    assert retrieved.nearest.tolist() == [[0, 1, 2, 3, 4]]


def test_average_precision_is_scikit_learns_and_queries_without_relevant_items_are_left_out() -> None:
    rng = np.random.default_rng(0)
    queries, gallery = (rng.standard_normal((n, 8)).astype(np.float32) for n in (30, 200))
    query_classes, gallery_classes = rng.integers(-1, 5, 30), rng.integers(-1, 4, 200)  # -1 is none
    figures = retrieve(queries, gallery, {"articleType": (query_classes, gallery_classes)}).figures
    assert set(figures["query"]) == set(np.flatnonzero((query_classes != 4) & (query_classes >= 0)))
    for row in figures.to_dict("records"):
        n = row["query"]
        expected = average_precision_score(gallery_classes == query_classes[n], gallery @ queries[n])
        assert row["average_precision"] == pytest.approx(expected, abs=1e-6)


def test_chance_is_what_random_vectors_reach() -> None:
    rng = np.random.default_rng(0)
    queries, gallery = (rng.standard_normal((n, 16)).astype(np.float32) for n in (400, 2000))
    query_classes, gallery_classes = (rng.choice([0, 1, -1], n, p=[0.6, 0.3, 0.1]) for n in (400, 2000))
    relevance = {"articleType": (query_classes, gallery_classes)}
    measured = retrieve(queries, gallery, relevance).figures.drop(columns="by").mean()
    expected = by_chance(relevance).drop(columns="by").mean()
    assert measured[expected.index].to_numpy() == pytest.approx(expected.to_numpy(), abs=0.03)


def test_images_of_the_same_colours_have_the_same_histogram(tmp_path: Path) -> None:
    red, blue = Image.new("RGB", (60, 80), (220, 30, 30)), Image.new("RGB", (60, 80), (30, 30, 220))
    half = red.copy()
    half.paste(blue, (0, 40))
    for name, image in {"red": red, "half": half, "turned": half.transpose(Image.Transpose.ROTATE_180)}.items():
        (tmp_path / f"{name}.png").write_bytes(encoded(image, "PNG"))
    (tmp_path / "bad.png").write_bytes(b"no image")
    (tmp_path / "m.csv").write_text("id,image\n1,red.png\n")
    _, store = catalog_of(tmp_path / "m.csv", tmp_path)
    refs = [str(tmp_path / f"{name}.png") for name in ("red", "half", "turned", "bad", "missing")]
    retrieved = colour_histograms(refs, store, 10_000)
    cosines = retrieved @ retrieved.T
    assert np.diag(cosines).tolist() == pytest.approx([1, 1, 1, 0, 0])
    assert cosines[1, 2] == pytest.approx(1, abs=0.02)
    assert cosines[0, 1] == pytest.approx(0.5**0.5, abs=0.05)
