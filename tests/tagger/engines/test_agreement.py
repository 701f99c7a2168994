"""An engine agrees with another one if it makes the same decisions about what is accepted."""

from collections.abc import Iterator

import numpy as np
import pytest

from tagger.demo.drawn_catalogue import ARTICLES
from tagger.engines import choose
from tagger.engines.agreement import agrees, compare, is_certain, reason
from tagger.engines.reference import CHECKED_IMAGES, MOST_CHECKED_IMAGES
from tagger.errors import UsageError
from tagger.models.bundle import Bundle
from tagger.schemas.documents.run import EngineCheck
from tests.builders import card, policy

CARD = card(list(ARTICLES))
LEAVES = len(CARD.taxonomy.leaves)


def logits(*tops: dict[int, float]) -> np.ndarray:
    """Logits float32 [N, L] that are 0 but for some leaves."""
    outputs = np.zeros((len(tops), LEAVES), np.float32)
    for row, top in enumerate(tops):
        outputs[row, list(top)] = list(top.values())
    return outputs


def test_near_ties_of_images_that_nobody_is_sure_of_do_not_count() -> None:
    sure = [{0: 20.0}] * 8
    reference, other = logits(*sure, {1: 0.51, 2: 0.5}), logits(*sure, {1: 0.5, 2: 0.51})
    check = compare(CARD, "x", reference, other)
    assert (check.images, check.sure_images, check.agreement) == (9, 8, 1.0)
    assert check.same_leaf == pytest.approx(8 / 9)


def test_another_tag_counts_if_one_of_the_two_is_sure_of_its_own() -> None:
    check = compare(CARD, "x", logits({0: 20.0}, {0: 20.0}, {0: 20.0}), logits({0: 20.0}, {1: 20.0}, {1: 0.1}))
    assert check.sure_images == 3
    assert check.agreement == pytest.approx(1 / 3)
    assert check.largest_difference == pytest.approx(20.0)
    assert not agrees(check)


def test_outputs_that_are_not_finite_agree_with_nothing() -> None:
    check = compare(CARD, "x", logits({0: 20.0}), np.full((1, LEAVES), np.nan, np.float32))
    assert (check.agreement, check.same_leaf, check.largest_difference) == (0, 0, None)
    assert not agrees(check)


def test_an_engine_that_is_surer_than_the_reference_is_refused_with_the_difference() -> None:
    reference, other = logits(*[{0: 5.0}] * 300), logits(*[{0: 8.0}] * 300)
    check = compare(CARD, "x", reference, other)
    assert check.agreement == 1
    assert check.confidence_shift > 0.005
    assert not agrees(check)
    assert is_certain(check)
    assert reason(check).startswith("moves the confidences by +")


def test_a_model_that_is_sure_of_nothing_still_has_the_same_most_probable_classes() -> None:
    reference = logits(*[{n % LEAVES: 0.1} for n in range(300)])
    assert agrees(compare(CARD, "x", reference, reference + np.float32(0.001)))
    check = compare(CARD, "x", reference, -reference)
    assert check.sure_images == 0
    assert not agrees(check)
    assert reason(check) == "finds the most probable class of float32 PyTorch on 0.00% of 300 images"


def at(confidence: float, leaf: int = 0) -> np.ndarray:
    """Logits float32 [1, L] that give a leaf this confidence."""
    odds = confidence / (1 - confidence) * (LEAVES - 1)
    return logits({leaf: float(CARD.calibration.temperature * np.log(odds))})


def test_where_the_bundle_has_a_policy_tags_that_it_accepts_are_compared() -> None:
    """At a threshold of 0.9, confidences of 0.85 and 0.95 are the same tag, but not the same decision."""
    reference = np.concatenate([at(0.95), at(0.95), at(0.85), at(0.7), at(0.8), at(0.95)])
    other = np.concatenate([at(0.97), at(0.85), at(0.95), at(0.75), at(0.8, leaf=5), at(0.8, leaf=5)])
    assert compare(CARD, "x", reference, other).agreement == pytest.approx(4 / 6)
    fitted = CARD.model_copy(update={"policy": policy(0.9)})
    check = compare(fitted, "x", reference, other)
    assert check.sure_images == 4, "nobody accepts a tag of the fourth and the fifth"
    assert check.agreement == pytest.approx(3 / 4)
    assert check.same_decisions == pytest.approx(1 / 4)
    never = CARD.model_copy(update={"policy": policy(None)})
    assert compare(never, "x", reference, other) == compare(CARD, "x", reference, other), "it accepts nothing"


@pytest.mark.parametrize(
    ("others", "images", "fine"),
    [(0, 5, True), (1, 5, True), (2, 5, False), (3, 512, True), (4, 512, False), (1, 0, True), (5, 1024, True)],
)
def test_few_images_that_prove_nothing_are_judged_by_the_middle_or_by_one_near_tie(
    others: int, images: int, fine: bool
) -> None:
    assert agrees(disagreeing(others, images)) is fine


@pytest.mark.parametrize(
    ("others", "images", "certain"),
    [(0, 0, True), (0, 512, False), (0, 1024, True), (3, 512, False), (20, 512, True), (3, 2048, True)],
)
def test_the_interval_of_an_agreement_says_whether_more_images_are_needed(
    others: int, images: int, certain: bool
) -> None:
    assert is_certain(disagreeing(others, images)) is certain


@pytest.mark.parametrize(
    ("agreement", "least", "most"), [(0.999, 1.0, 1.0), (0.995, 0.9, 1.0), (0.98, 0.0, 0.0)], ids=str
)
def test_chance_does_not_decide_whether_an_engine_is_taken(
    bundle: Bundle, agreement: float, least: float, most: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pretended engines that make another decision about a share of all images, on 60 samples."""
    monkeypatch.setattr(choose, "prepare", lambda *arguments: PretendedEngine())
    name = choose.engine_names("cpu")[0]
    taken = 0
    for seed in range(60):
        reference = PretendedReference(len(bundle.card.taxonomy.leaves), agreement, seed)
        monkeypatch.setattr(choose, "Reference", lambda *arguments, it=reference: it)
        try:
            choose.choose_engine(bundle, name, "cpu", 16, list)
            taken += 1
        except UsageError as error:
            assert "agrees with float32 PyTorch on 9" in str(error)
    assert least <= taken / 60 <= most


def test_a_choice_says_whether_the_engine_was_compiled(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    name = choose.engine_names("cpu")[0]
    for compiled in (None, True, False):
        monkeypatch.setattr(choose, "prepare", lambda *arguments, it=compiled: PretendedEngine(it))
        reference = PretendedReference(len(bundle.card.taxonomy.leaves), 1.0, 0)
        monkeypatch.setattr(choose, "Reference", lambda *arguments, it=reference: it)
        assert choose.choose_engine(bundle, name, "cpu", 16, list)[1].compiled is compiled


class PretendedEngine:
    """A prepared engine; `PretendedReference` makes up its logits."""

    name = "pretended"

    def __init__(self, is_compiled: bool | None = None) -> None:
        self.is_compiled = is_compiled

    def start(self) -> "PretendedEngine":
        return self

    def run(self, images: np.ndarray, embeddings: bool = True) -> tuple[np.ndarray, np.ndarray]:
        raise NotImplementedError


class PretendedReference:
    """Logits of the reference and of an engine that tells another class for a share of the images."""

    engine = "torch-cpu-float32"
    images = np.zeros((CHECKED_IMAGES, 1, 1, 3), np.uint8)

    def __init__(self, leaves: int, agreement: float, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        self._eye = 20 * np.eye(leaves, dtype=np.float32)
        self._agreement = agreement

    def pieces(self, engine: object) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for _ in range(MOST_CHECKED_IMAGES // CHECKED_IMAGES):
            classes = self._random.integers(len(self._eye), size=CHECKED_IMAGES)
            differs = self._random.random(CHECKED_IMAGES) >= self._agreement
            yield self._eye[classes], self._eye[(classes + differs) % len(self._eye)]


def disagreeing(others: int, images: int) -> EngineCheck:
    agreement = 1 - others / images if images else 1.0
    return EngineCheck(engine="x", images=images, sure_images=images, agreement=agreement)
