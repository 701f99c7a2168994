"""Where the vectors of the classes lie, and how far out others are."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tagger.confidence.neighbours import Strangers, fit_neighbours, fit_strangers
from tagger.errors import InputError
from tagger.io.location import Location
from tagger.models.bundle import Bundle
from tagger.models.familiarity import FILE, Familiarity, Neighbours
from tagger.models.vectors import of_length_one
from tagger.schemas.documents import bundle as documents

_DIM, _CLASSES = 24, 5


def _drawn(items: int, seed: int = 0, centres: int = _CLASSES, apart: float = 3) -> tuple[np.ndarray, np.ndarray]:
    """Vectors around the centres of classes, with more variance in some directions, and the classes."""
    rng = np.random.default_rng(seed)
    around = apart * np.random.default_rng(99).normal(size=(centres, _DIM))
    leaves = rng.integers(0, centres, items)
    return of_length_one(around[leaves] + rng.normal(size=(items, _DIM)) * np.linspace(0.2, 2, _DIM)), leaves


def test_the_distance_is_that_of_mahalanobis_where_classes_differ() -> None:
    vectors, leaves = _drawn(20_000)
    neighbours = fit_neighbours(vectors, leaves)
    centres = np.stack([vectors[leaves == n].mean(axis=0) for n in range(_CLASSES)])
    within = np.cov((vectors - centres[leaves]).T, bias=True)
    covariance = neighbours.directions @ within @ neighbours.directions.T
    assert covariance == pytest.approx(np.eye(_CLASSES - 1), abs=0.02)  # of each class; it is shrunk, if hardly
    apart = (centres[0] - centres[1]) @ neighbours.directions.T
    expected = (centres[0] - centres[1]) @ np.linalg.inv(within) @ (centres[0] - centres[1])
    assert apart @ apart == pytest.approx(expected, rel=0.02)  # nothing in which classes differ is left out
    new, _ = _drawn(50, seed=1)
    to_all = np.linalg.norm(neighbours.points[None] - (new @ neighbours.directions.T)[:, None], axis=2)
    assert neighbours.distances(new) == pytest.approx(to_all.min(axis=1), abs=1e-3)


def test_other_classes_are_less_familiar_than_new_items_of_the_learnt_ones() -> None:
    vectors, leaves = _drawn(4000, centres=_CLASSES + 3)
    learnt = leaves < _CLASSES
    train, new = learnt & (np.arange(4000) < 2000), learnt & (np.arange(4000) >= 2000)
    neighbours = fit_neighbours(vectors[train], leaves[train])
    familiarity = Familiarity((neighbours,), np.sort(neighbours.scores(vectors[new])))
    shares, others = (familiarity.shares(familiarity.scores(vectors[rows])) for rows in (new, ~learnt))
    assert np.quantile(shares, [0.1, 0.5, 0.9]) == pytest.approx([0.1, 0.5, 0.9], abs=0.01)
    assert np.median(others) < 0.02
    assert others.min() > 0


def test_fewer_images_than_dimensions_are_enough() -> None:
    vectors, leaves = _drawn(18)
    new, of_new = _drawn(500, seed=7)
    scores = fit_neighbours(vectors, leaves).scores(new)
    assert np.isfinite(scores).all()
    assert np.isin(of_new, leaves).all()


def test_a_score_does_not_depend_on_the_other_images() -> None:
    vectors, leaves = _drawn(3000)
    neighbours = fit_neighbours(vectors, leaves)
    together = neighbours.scores(vectors[:100])
    assert together.tolist() == [float(neighbours.scores(vectors[n : n + 1])[0]) for n in range(100)]


def test_scores_of_averaged_models_are_added() -> None:
    vectors, leaves = _drawn(3000)
    one, other = fit_neighbours(vectors[:2000], leaves[:2000]), fit_neighbours(vectors[1000:, :10], leaves[1000:])
    both = Familiarity((one, other), np.zeros(0, np.float32))
    side_by_side = np.concatenate([5 * vectors[:20], 0.3 * vectors[:20, :10]], axis=1)  # lengths do not count
    expected = one.scores(vectors[:20]) + other.scores(of_length_one(vectors[:20, :10]))
    assert both.scores(side_by_side) == pytest.approx(expected, rel=1e-3)


def test_it_is_saved_with_its_bundle_and_refused_when_changed(bundle: Bundle, tmp_path: Path) -> None:
    location = Location(str(tmp_path))
    vectors, leaves = _drawn(500)
    neighbours = fit_neighbours(vectors, leaves)
    saved = Familiarity((neighbours,), np.sort(neighbours.scores(vectors[:100])))
    assert Familiarity.load_if_any(location, bundle.card) is None
    about = documents.Familiarity(digest=saved.digest, below=0.02, held_out=100)
    card = bundle.card.model_copy(update={"familiarity": about})
    with pytest.raises(InputError, match=f"it has no {FILE}"):
        Familiarity.load_if_any(location, card)
    saved.save(location)
    loaded = Familiarity.load_if_any(location, card)
    assert loaded is not None
    sharp = np.full(len(vectors), 100.0)
    assert loaded.of(vectors, sharp).tolist() == saved.of(vectors, sharp).tolist()
    assert loaded.of(vectors, sharp / 1000).tolist() == [0.0] * len(vectors), "nothing is to be seen"
    replace(saved, held_out=saved.held_out[1:]).save(location)
    with pytest.raises(InputError, match="was changed after it was saved"):
        Familiarity.load_if_any(location, card)


def test_what_was_left_out_is_learnt_and_scored_by_what_has_not_seen_it() -> None:
    vectors, leaves = _drawn(4000, centres=_CLASSES + 6, apart=0.6)
    learnt = leaves < _CLASSES
    train, val, new = (learnt & (np.arange(4000) % 4 == n) for n in range(3))
    out = ~learnt & (np.arange(4000) % 2 == 0)
    neighbours = fit_neighbours(vectors[train], leaves[train])
    (taught,), scored = fit_strangers([neighbours], vectors[val], Strangers(vectors[out], leaves[out]))
    assert taught.weight is not None

    def found(member: Neighbours) -> float:
        held_out = np.sort(member.scores(vectors[new]))
        return float(
            (
                Familiarity((member,), held_out).of(vectors[~learnt & ~out], np.full((~learnt & ~out).sum(), 9)) < 0.05
            ).mean()
        )

    assert found(taught) > found(neighbours)
    assert len(scored.known) == val.sum()
    assert scored.strangers.mean() > scored.unseen.mean() > scored.known.mean()  # who has seen a leaf knows it better


def test_too_few_that_were_left_out_teach_nothing_and_are_scored_by_distance() -> None:
    vectors, leaves = _drawn(900, centres=_CLASSES + 1)
    learnt = leaves < _CLASSES
    some = np.flatnonzero(~learnt)[:30]
    neighbours = fit_neighbours(vectors[learnt][:500], leaves[learnt][:500])
    (same,), scored = fit_strangers([neighbours], vectors[learnt][500:], Strangers(vectors[some], leaves[some]))
    assert same is neighbours
    assert scored.strangers == pytest.approx(neighbours.distances(vectors[some]), rel=1e-4)
    assert scored.unseen == pytest.approx(scored.strangers)
    (_,), nothing = fit_strangers([neighbours], vectors[learnt][500:], Strangers(vectors[:0], leaves[:0]))
    assert len(nothing.strangers) == 0
