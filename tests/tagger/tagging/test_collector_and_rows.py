"""From bytes to rows of the prediction contract, each distinct image looked at once."""

import hashlib
from collections.abc import Callable, Mapping
from concurrent.futures import Future

import numpy as np
import pytest

from tagger.confidence.thresholds import Thresholds
from tagger.errors import ImageError
from tagger.images.digests import digest_of
from tagger.imaging.layout import LAYOUT_SIZE, distances
from tagger.models.bundle import Bundle
from tagger.models.familiarity import Familiarity as Strangeness
from tagger.models.levels import Levels
from tagger.schemas.documents.bundle import Familiarity, ModelCard
from tagger.schemas.documents.taxonomy import Level, Taxonomy
from tagger.schemas.tables.embedding import EMBEDDING
from tagger.schemas.tables.prediction import ALTERNATIVES, PREDICTION
from tagger.tagging.collector import Claim, Collector, Outcome, Predictor, at_once, outcome_type
from tagger.tagging.rows import Items, PredictionRows
from tests.builders import encoded, picture

EVEN = Thresholds(dict.fromkeys(Level, 0.5))


class CountingEngine:
    """An engine whose logits are the mean colours of an image, and that counts what it is asked."""

    name = "counting"

    def __init__(self, leaves: int) -> None:
        self.leaves = leaves
        self.batches: list[int] = []
        self.with_embeddings: set[bool] = set()

    def run(self, images: np.ndarray, embeddings: bool = True) -> tuple[np.ndarray, np.ndarray]:
        self.batches.append(len(images))
        self.with_embeddings.add(embeddings)
        means = images.reshape(len(images), -1).mean(axis=1, keepdims=True)
        logits = np.sin(means * np.arange(1, self.leaves + 1)).astype(np.float32) * 4
        return logits, means.astype(np.float32)


def collected(
    bundle: Bundle, images: list[bytes | ImageError], batch_size: int = 4
) -> tuple[list[Outcome], CountingEngine, dict[bytes, Outcome]]:
    engine = CountingEngine(len(bundle.card.taxonomy.leaves))
    shared: dict[bytes, Outcome] = {}
    collector = Collector(Predictor(bundle.card, engine, 10**6), len(images), batch_size, at_once, shared.update)
    for row, data in enumerate(images):
        collector.put(row, data, digest_of(data))
    return collector.outcomes(), engine, shared


def test_identical_images_are_predicted_once_and_share_the_result(bundle: Bundle) -> None:
    different = [encoded(picture(seed=i)) for i in range(5)]
    images: list[bytes | ImageError] = [different[i % 5] for i in range(23)]
    outcomes, engine, shared = collected(bundle, images)
    assert engine.batches == [4, 1]
    assert [outcomes[i] for i in range(23)] == [outcomes[i % 5] for i in range(23)]
    assert len(set(outcomes)) == len(shared) == 5  # type: ignore[arg-type]


def test_an_engine_is_asked_for_embeddings_only_where_a_run_keeps_them(bundle: Bundle) -> None:
    for wanted in (True, False):
        engine = CountingEngine(len(bundle.card.taxonomy.leaves))
        predictor = Predictor(bundle.card, engine, 10**6, embeddings=wanted)
        predictor.outcomes([predictor.decode(encoded(picture()))])
        assert engine.with_embeddings == {wanted}


def test_an_image_whose_output_is_not_finite_fails_and_the_others_do_not(bundle: Bundle) -> None:
    class HalfPrecision(CountingEngine):
        """Says nothing of the second image."""

        def run(self, images: np.ndarray, embeddings: bool = True) -> tuple[np.ndarray, np.ndarray]:
            logits, vectors = super().run(images)
            logits[1] = np.inf
            logits.setflags(write=False)
            return logits, vectors

    predictor = Predictor(bundle.card, HalfPrecision(len(bundle.card.taxonomy.leaves)), 10**6)
    outcomes = predictor.outcomes([predictor.decode(encoded(picture(seed=n))) for n in range(3)])
    assert [o.code if isinstance(o, ImageError) else "" for o in outcomes] == ["", "not_finite", ""]


def test_an_image_that_cannot_be_decoded_stays_with_its_rows(bundle: Bundle) -> None:
    missing = ImageError("not_found", "gone")  # type: ignore[arg-type]
    outcomes, engine, shared = collected(bundle, [b"text", missing, encoded(picture()), b"text"])
    assert [o.code if isinstance(o, ImageError) else "" for o in outcomes] == [
        "not_an_image",
        "not_found",
        "",
        "not_an_image",
    ]
    assert engine.batches == [1]
    assert len(shared) == 2


def test_a_list_of_nothing_but_failures_asks_the_engine_nothing(bundle: Bundle) -> None:
    outcomes, engine, _ = collected(bundle, [b"", b"x"])
    assert engine.batches == []
    assert all(isinstance(o, ImageError) for o in outcomes)


def test_what_another_worker_looks_at_is_missing_until_it_is_there(bundle: Bundle) -> None:
    engine = CountingEngine(len(bundle.card.taxonomy.leaves))
    collector = Collector(Predictor(bundle.card, engine, 10**6), 3, 4, at_once)
    mine, others = encoded(picture(seed=1)), encoded(picture(seed=2))
    digests = [digest_of(mine), digest_of(others)]
    assert digests[0] and digests[1]
    collector.put(0, others, digests[1], Claim.ANOTHERS)
    collector.put(1, mine, digests[0], Claim.MINE)
    collector.put(2, others, digests[1], Claim.MINE)  # the first word counts
    assert collector.missing() == {digests[1]: 0}
    with pytest.raises(RuntimeError, match="1 images have no outcome"):
        collector.outcomes()
    collector.settle(digests[1], b"", b"another's outcome")
    assert collector.outcomes()[0] == collector.outcomes()[2] == b"another's outcome"
    assert engine.batches == [1]


def test_batches_may_be_on_their_way_while_the_next_are_decoded(bundle: Bundle) -> None:
    engine = CountingEngine(len(bundle.card.taxonomy.leaves))
    started: list[tuple[Future[list[Outcome]], Callable[[], list[Outcome]]]] = []

    class Later(Future):  # type: ignore[type-arg]
        """Works when its result is asked for."""

        def result(self, timeout: float | None = None) -> list[Outcome]:
            if not self.done():
                self.set_result(next(work for future, work in started if future is self)())
            return super().result(timeout)  # type: ignore[no-any-return]

    def submit(work: Callable[[], list[Outcome]]) -> "Future[list[Outcome]]":
        future: Future[list[Outcome]] = Later()
        started.append((future, work))
        return future

    shared: list[Mapping[bytes, Outcome]] = []
    collector = Collector(Predictor(bundle.card, engine, 10**6), 12, 2, submit, shared.append)
    for row in range(12):
        data = encoded(picture(seed=row))
        collector.put(row, data, digest_of(data))
    assert len(started) == 6
    assert len(shared) == 3, "no more than three batches wait in memory"
    assert len(set(collector.outcomes())) == 12  # type: ignore[arg-type]


def record(bundle: Bundle, master: str, master_confidence: float, type_confidence: float, blur: float = 100) -> bytes:
    levels = Levels(bundle.card.taxonomy)
    leaf = next(i for i, leaf in enumerate(bundle.card.taxonomy.leaves) if leaf.masterCategory == master)
    found = np.zeros(1, outcome_type())
    found["master"] = levels.masters.index(master)
    found["type"] = levels.types.index(bundle.card.taxonomy.leaves[leaf].articleType)
    found["master_confidence"], found["type_confidence"], found["blur_score"] = master_confidence, type_confidence, blur
    found["leaves"] = -1
    found["leaves"][0, :2], found["leaf_confidences"][0, :2] = [leaf, leaf - 1], [0.6, 0.3]
    return found.tobytes()


def test_rows_say_what_the_policy_decides_and_why(bundle: Bundle) -> None:
    outcomes: list[Outcome] = [
        record(bundle, "Apparel", 0.9, 0.8),
        record(bundle, "Apparel", 0.9, 0.2),
        record(bundle, "Apparel", 0.9, 0.8, blur=1),
        record(bundle, "Footwear", 0.9, 0.8),
        record(bundle, "Footwear", 0.9, 0.8),
        record(bundle, "Footwear", 0.1, 0.1),
        ImageError("truncated", "cut off"),  # type: ignore[arg-type]
    ]
    size = len(outcomes)
    items = Items(
        [f"i{n}" for n in range(size)], ["u"] * size, [None, None, None, "Apparel", "Toys", "Footwear", "Apparel"]
    )
    table = PredictionRows(bundle.card, EVEN, "run").table(items, [b"\x01" * 32] * 6 + [None], outcomes)
    assert table.schema.equals(PREDICTION)
    assert table["decision"].to_pylist() == [
        "accept", "accept_master_only", "review", "review", "review", "review", "failed",
    ]  # fmt: skip
    assert table["reviewReasons"].to_pylist() == [
        [], ["low_confidence"], ["blurry_image"], ["taxonomy_conflict"], ["taxonomy_conflict"], ["low_confidence"], [],
    ]  # fmt: skip
    assert table["masterCategory"].to_pylist() == ["Apparel"] * 3 + ["Footwear"] * 3 + [None]
    assert [a and len(a) for a in table["alternatives"].to_pylist()] == [2] * 6 + [None]
    assert table["alternatives"][0].as_py()[0]["masterCategory"] == "Apparel"
    assert table["alternatives"][0].as_py()[0]["confidence"] == pytest.approx(0.6)
    assert table["imageDigest"].to_pylist() == ["01" * 32] * 6 + [None]
    assert (table["errorCode"][6].as_py(), table["errorMessage"][6].as_py()) == ("truncated", "cut off")
    assert table["errorCode"].null_count == 6
    assert table["blurScore"].null_count == table["articleTypeConfidence"].null_count == 1


def unfamiliar(outcome: bytes, familiarity: float) -> bytes:
    found = np.frombuffer(outcome, outcome_type()).copy()
    found["familiarity"] = familiarity
    return found.tobytes()


def knowing_strangers(card: ModelCard) -> ModelCard:
    return card.model_copy(update={"familiarity": Familiarity(digest="of a file", below=0.05, held_out=100)})


def test_an_unfamiliar_image_is_not_accepted_however_sure_the_model_is(bundle: Bundle) -> None:
    sure = record(bundle, "Apparel", 0.99, 0.99)
    outcomes: list[Outcome] = [unfamiliar(sure, share) for share in (0.049, 0.05, 1, np.nan)]
    items = Items(list("abcd"), list("abcd"), [None] * 4)
    table = PredictionRows(knowing_strangers(bundle.card), EVEN, "run").table(items, [None] * 4, outcomes)
    assert table["decision"].to_pylist() == ["review", "accept", "accept", "accept"]
    assert table["reviewReasons"].to_pylist() == [["unfamiliar"], [], [], []]
    assert table["familiarity"].to_pylist() == [pytest.approx(0.049), pytest.approx(0.05), 1, None]
    of_older = PredictionRows(bundle.card, EVEN, "run").table(items, [None] * 4, outcomes)
    assert of_older["decision"].to_pylist() == ["accept"] * 4


def test_familiarity_is_asked_of_the_vectors_that_the_engine_gives(bundle: Bundle) -> None:
    class Strange(Strangeness):
        def of(self, embeddings: np.ndarray, blur_scores: np.ndarray) -> np.ndarray:
            return np.asarray(embeddings[:, 0] / 255, np.float32)

    engine = CountingEngine(len(bundle.card.taxonomy.leaves))
    predictor = Predictor(bundle.card, engine, 10**6, familiarity=Strange((), np.zeros(0, np.float32)))
    images = [predictor.decode(encoded(picture(seed=n))) for n in range(3)]
    records = np.frombuffer(b"".join(o for o in predictor.outcomes(images) if isinstance(o, bytes)), outcome_type())
    assert engine.with_embeddings == {True}
    means = [image.pixels.mean() / 255 for image in images]
    assert records["familiarity"] == pytest.approx(means, rel=1e-5)
    without = Predictor(bundle.card, engine, 10**6)
    (outcome,) = without.outcomes(images[:1])
    assert isinstance(outcome, bytes)
    assert np.isnan(np.frombuffer(outcome, outcome_type())["familiarity"][0])


def test_a_merged_master_category_is_no_conflict(bundle: Bundle) -> None:
    assert bundle.card.taxonomy.merge == {"Home": "Free Items"}
    items = Items(["a"], ["u"], ["Home"])
    table = PredictionRows(bundle.card, EVEN, "run").table(items, [None], [record(bundle, "Free Items", 0.9, 0.9)])
    assert table["decision"].to_pylist() == ["accept"]


def test_a_taxonomy_of_few_leaves_has_fewer_alternatives(bundle: Bundle) -> None:
    small = bundle.card.model_copy(update={"taxonomy": Taxonomy.of([("A", "x"), ("B", "y"), ("B", "z")], {})})
    data = encoded(picture())
    collector = Collector(Predictor(small, CountingEngine(3), 10**6), 1, 4, at_once)
    collector.put(0, data, digest_of(data))
    table = PredictionRows(small, EVEN, "run").table(
        Items(["a"], ["u"], [None]), collector.digests, collector.outcomes()
    )
    (alternatives,) = table["alternatives"].to_pylist()
    assert len(alternatives) == 3 < ALTERNATIVES
    assert sum(a["confidence"] for a in alternatives) == pytest.approx(1)
    assert (alternatives[0]["masterCategory"], alternatives[0]["articleType"]) in small.taxonomy.index


def test_image_vectors_have_length_one_and_stay_with_their_rows(bundle: Bundle) -> None:
    class Vectors(CountingEngine):
        def run(self, images: np.ndarray, embeddings: bool = True) -> tuple[np.ndarray, np.ndarray]:
            logits, means = super().run(images)
            return logits, np.repeat(means, bundle.card.architecture.embedding_dim, axis=1) * np.float32(1e4)

    engine = Vectors(len(bundle.card.taxonomy.leaves))
    first, second = encoded(picture(seed=1)), encoded(picture(seed=2))
    images = [first, b"text", second, first]
    collector = Collector(Predictor(bundle.card, engine, 10**6, embeddings=True), len(images), 4, at_once)
    for row, data in enumerate(images):
        collector.put(row, data, digest_of(data))
    items = Items(list("abcd"), list("abcd"), [None] * 4)
    rows = PredictionRows(bundle.card, EVEN, "run", embeddings=True)
    table = rows.embeddings(items, collector.digests, collector.outcomes())
    assert table.schema.equals(EMBEDDING)
    assert table["id"].to_pylist() == ["a", "c", "d"]
    assert table["imageDigest"][0].as_py() == hashlib.sha256(first).hexdigest()
    vectors = np.stack(table["vector"].to_numpy())
    assert vectors.dtype == np.float16
    assert np.linalg.norm(vectors.astype(np.float32), axis=1) == pytest.approx(1, abs=1e-3)
    layouts = np.stack(table["layout"].to_numpy())
    assert layouts.shape == (3, LAYOUT_SIZE)
    assert distances(layouts[[0, 0]], layouts[[2, 1]])[0] == 0 < distances(layouts[[0, 0]], layouts[[2, 1]])[1]
    assert rows.table(items, collector.digests, collector.outcomes())["decision"][1].as_py() == "failed"


def test_nothing_makes_an_empty_table(bundle: Bundle) -> None:
    table = PredictionRows(bundle.card, EVEN, "run").table(Items([], [], []), [], [])
    assert (len(table), table.schema.equals(PREDICTION)) == (0, True)
