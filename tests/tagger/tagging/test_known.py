"""What earlier runs know is left alone, unless another decision holds now: then it is decided anew."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tagger.confidence.thresholds import QaSample, Thresholds
from tagger.errors import ImageError
from tagger.io.location import Location
from tagger.manifest.no_value import NoValue
from tagger.models.bundle import Bundle
from tagger.models.evidence import EvidenceModel, Weights
from tagger.models.levels import Levels
from tagger.models.titles import TitleModel
from tagger.runs.directory import RunDirectory
from tagger.runs.ledger import LedgerEntry
from tagger.runs.parts import Spent
from tagger.runs.staging import KNOWN_OUTCOME, Staged, passthrough
from tagger.schemas.documents.bundle import Familiarity
from tagger.schemas.documents.run import Counts, RunRecord
from tagger.schemas.documents.taxonomy import Level
from tagger.schemas.tables.embedding import EMBEDDING
from tagger.schemas.tables.item import ITEM
from tagger.schemas.tables.prediction import PREDICTION, ErrorCode, Evidence
from tagger.tagging.collector import Outcome, outcome_type
from tagger.tagging.crashes import CRASHED
from tagger.tagging.known import Known, recalled
from tagger.tagging.rows import Items, PredictionRows
from tagger.training.columns import fit_columns

LAX, STRICT = (Thresholds(dict.fromkeys(Level, value)) for value in (0.5, 0.95))
DIGEST = b"\x01" * 32
TITLES = [f"title {n}" for n in range(4)]


@pytest.fixture
def titles(bundle: Bundle) -> EvidenceModel:
    """A model of titles that is sure of the first leaf where a title says `first`."""
    leaves = len(bundle.card.taxonomy.leaves)
    weight = np.zeros((leaves, 2), np.float32)
    weight[0, 0] = 20
    prior = np.full(leaves, 1 / leaves, np.float32)
    model = TitleModel(
        ("name",), ("first",), ("fir",), np.ones(2, np.float32), weight, np.zeros(leaves, np.float32), prior
    )
    weights = {Evidence.IMAGE_AND_TITLE: Weights((1.0, 1.0), 1.0), Evidence.TITLE: Weights((1.0,), 0.0)}
    return EvidenceModel(bundle.card.model_id, prior, titles=model, weights=weights)


def outcomes(bundle: Bundle, confidences: Sequence[float]) -> np.ndarray:
    """Records of the second leaf, by `outcome_type`."""
    levels = Levels(bundle.card.taxonomy)
    master, article = levels.classes_of_leaves(np.array([1]))
    found = np.zeros(len(confidences), outcome_type())
    found["master"], found["type"], found["blur_score"] = master, article, 100
    found["master_confidence"] = found["type_confidence"] = confidences
    found["image_type"], found["image_type_confidence"] = article, confidences
    found["leaves"] = [1, 2, -1, -1, -1]
    found["leaf_confidences"][:, 0] = confidences
    return found


def a_run(
    folder: Path, rows: PredictionRows, items: Items, records: np.ndarray, titles: str | None = None, vectors: int = 0,
    etags: Sequence[str | None] | None = None, digest: bytes = DIGEST,
) -> LedgerEntry:  # fmt: skip
    """A finished run with these predictions, and image vectors of the first of them."""
    directory = RunDirectory(Location(str(folder)))
    record = RunRecord(
        run_id=folder.name, model_id="m", state="running", config={}, fingerprint="", inputs={"evidence": titles or ""},
        versions={}, started_at=datetime.now(UTC), counts=Counts(),
    )  # fmt: skip
    table = rows.table(items, [digest] * len(records), [r.tobytes() for r in records], etags)
    directory.write_part(0, table, {}, Spent(1, None))
    if vectors:
        one = {"imageDigest": DIGEST.hex(), "modelId": table["modelId"][0].as_py(), "layout": [0.0], "vector": [1.0]}
        ids = table["id"].to_pylist()[:vectors]
        directory.write_embeddings(0, pa.Table.from_pylist([{"id": i, **one} for i in ids], schema=EMBEDDING))
    record = directory.finish(record, Staged(len(table), len(table), 0, 0, {}, {}, 1))
    return LedgerEntry(directory, record, True)


def shard(ids: Sequence[str], masters: Sequence[str | None] = (), titles: Sequence[str | None] = ()) -> pa.Table:
    rows = [{"id": i, "row": n, "masterCategory": (list(masters) or [None] * 9)[n]} for n, i in enumerate(ids)]
    table = pa.Table.from_pylist(rows, schema=ITEM)
    return table.append_column(passthrough("name"), pa.array(titles, pa.string())) if titles else table


def at(ids: Sequence[str], refs: Sequence[str | None] = ()) -> pa.Table:
    """Rows of a shard whose images lie at these references, which without any are their ids."""
    rows = [{"id": i, "row": n, "imageRef": (refs or ids)[n]} for n, i in enumerate(ids)]
    return pa.Table.from_pylist(rows, schema=ITEM)


def plain(bundle: Bundle, thresholds: Thresholds = LAX, sample: float = 0) -> PredictionRows:
    return PredictionRows(bundle.card, thresholds, "now", QaSample(sample))


def ids(count: int) -> list[str]:
    return [f"i{n}" for n in range(count)]


def items(count: int, titles: Sequence[str | None] = ()) -> Items:
    return Items(ids(count), ids(count), [None] * count, {"name": titles} if titles else {})


def test_what_would_be_decided_alike_is_known_and_not_decided_anew(bundle: Bundle, tmp_path: Path) -> None:
    run = a_run(tmp_path / "r", plain(bundle), items(3), outcomes(bundle, [0.4, 0.7, 0.99]))
    digests, anew, _ = Known([run], bundle.card, plain(bundle)).recall(shard([*ids(3), "new"]))
    assert digests == [DIGEST.hex()] * 3 + [None]
    assert anew == [None] * 4


def test_a_stricter_policy_is_applied_to_stored_confidences(bundle: Bundle, tmp_path: Path) -> None:
    records = outcomes(bundle, [0.4, 0.7, 0.99])
    run = a_run(tmp_path / "r", plain(bundle), items(3), records)
    strict = plain(bundle, STRICT)
    digests, anew, _ = Known([run], bundle.card, strict).recall(shard(ids(3)))
    assert digests == [DIGEST.hex()] * 3
    assert [outcome is not None for outcome in anew] == [False, True, False]
    (again,) = (found for found in recalled(pa.table({KNOWN_OUTCOME: pa.array(anew, pa.binary())})) if found)
    assert again.outcome == records[1].tobytes(), "to the last digit"
    fresh = strict.table(items(1), [DIGEST], [again.outcome])
    assert (fresh["decision"][0].as_py(), fresh["reviewReasons"][0].as_py()) == ("review", ["low_confidence"])


def test_every_field_of_an_outcome_is_restored_from_its_stored_row(bundle: Bundle, tmp_path: Path) -> None:
    """A field that `known` forgets would be 0 for every item that is decided anew."""
    records = outcomes(bundle, [0.7])
    last_leaf = len(bundle.card.taxonomy.leaves) - 1
    records["master"], records["type"] = Levels(bundle.card.taxonomy).classes_of_leaves(np.array([last_leaf]))
    records["image_type"], records["image_type_confidence"] = 1, 0.6
    records["leaves"], records["leaf_confidences"] = [last_leaf, 1, -1, -1, -1], [0.7, 0.2, 0, 0, 0]
    records["brightness"], records["size"], records["familiarity"] = 200.5, (60, 80), 0.3
    kept = [name for name in records.dtype.names or () if records.dtype[name].itemsize]
    zero = [name for name in kept if not np.any(records[name])]
    assert not zero, f"set {zero} above, or this test cannot see whether known.py restores it"
    run = a_run(tmp_path / "r", plain(bundle), items(1), records)
    strict = plain(bundle, STRICT)
    _, anew, _ = Known([run], bundle.card, strict).recall(shard(ids(1)))
    (again,) = recalled(pa.table({KNOWN_OUTCOME: pa.array(anew, pa.binary())}))
    assert again
    restored = np.frombuffer(strict.widened(again.outcome), records.dtype)
    lost = [name for name in kept if not np.array_equal(restored[name], records[name])]
    assert not lost, f"known.py does not restore {lost}: read them in _COLUMNS and fill them in _Packer.packed"
    before = pq.read_table(tmp_path / "r" / "predictions").to_pylist()[0]
    after = strict.table(items(1), [DIGEST], [restored.tobytes()]).to_pylist()[0]
    changed = {name for name in before if before[name] != after[name]}
    assert changed <= {"decision", "reviewReasons", "taggedAt"}


def test_a_changed_label_or_sample_is_decided_anew(bundle: Bundle, tmp_path: Path) -> None:
    run = a_run(tmp_path / "r", plain(bundle), items(2), outcomes(bundle, [0.9, 0.9]))
    _, anew, _ = Known([run], bundle.card, plain(bundle)).recall(shard(ids(2), ["no such category", None]))
    assert [a is not None for a in anew] == [True, False]
    _, anew, _ = Known([run], bundle.card, plain(bundle, sample=1)).recall(shard(ids(2)))
    assert [a is not None for a in anew] == [True, True]


def test_an_image_without_its_vector_is_unknown_where_vectors_are_asked_for(bundle: Bundle, tmp_path: Path) -> None:
    run = a_run(tmp_path / "r", plain(bundle), items(2), outcomes(bundle, [0.9, 0.9]), vectors=1)
    known = Known([run], bundle.card, plain(bundle), embeddings=True)
    assert known.recall(shard(ids(2)))[0] == [DIGEST.hex(), None]
    assert Known([run], bundle.card, plain(bundle)).recall(shard(ids(2)))[0] == [DIGEST.hex()] * 2
    assert known.knows(ids(3)) == [True, True, False]
    assert known.recall(shard(["new"])) == ([None], [None], [None])


def test_a_changed_title_is_looked_at_again_where_titles_are_fused(
    bundle: Bundle, titles: EvidenceModel, tmp_path: Path
) -> None:
    fusing = PredictionRows(bundle.card, LAX, "now", evidence=titles, join=True)
    said = ["first", "first", None]
    run = a_run(tmp_path / "r", fusing, items(3, said), outcomes(bundle, [0.9] * 3), f"all {titles.digest}")
    table = pq.read_table(tmp_path / "r" / "predictions")
    assert table["articleType"][0] != table["articleType"][2], "the title has its say"
    now = shard(ids(3), titles=["first", "another", None])
    known = Known([run], bundle.card, fusing, titles, join=True)
    assert known.recall(now) == ([DIGEST.hex(), None, DIGEST.hex()], [None] * 3, [None] * 3)
    by_image = [None, None, DIGEST.hex()]
    assert Known([run], bundle.card, plain(bundle)).recall(shard(ids(3)))[0] == by_image, "titles are asked no more"
    other = replace(titles, weights={})
    assert Known([run], bundle.card, fusing, other, join=True).recall(now)[0] == by_image


def test_an_item_that_gets_a_title_is_decided_by_both_without_a_look_at_its_image(
    bundle: Bundle, titles: EvidenceModel, tmp_path: Path
) -> None:
    fusing = PredictionRows(bundle.card, LAX, "now", evidence=titles, join=True)
    run = a_run(tmp_path / "r", fusing, items(2, [None, None]), outcomes(bundle, [0.9] * 2), f"all {titles.digest}")
    known = Known([run], bundle.card, fusing, titles, join=True)
    digests, anew, _ = known.recall(shard(ids(2), titles=["first", "mute"]))
    assert digests == [DIGEST.hex()] * 2
    assert [a is not None for a in anew] == [True, False]


def test_fused_confidences_are_decided_anew_without_being_fused_twice(
    bundle: Bundle, titles: EvidenceModel, tmp_path: Path
) -> None:
    fusing = PredictionRows(bundle.card, LAX, "now", evidence=titles, join=True)
    run = a_run(tmp_path / "r", fusing, items(1, ["first"]), outcomes(bundle, [0.99]), f"all {titles.digest}")
    before = pq.read_table(tmp_path / "r" / "predictions").to_pylist()[0]
    never = PredictionRows(bundle.card, Thresholds(dict.fromkeys(Level, 1.1)), "now", evidence=titles, join=True)
    _, anew, _ = Known([run], bundle.card, never, titles, join=True).recall(shard(ids(1), titles=["first"]))
    (again,) = recalled(pa.table({KNOWN_OUTCOME: pa.array(anew, pa.binary())}))
    assert again and again.evidence == list(Evidence).index(Evidence.IMAGE_AND_TITLE)
    again_items = Items(ids(1), ids(1), [None], {"name": ["first"]}, np.array([again.evidence], np.int8))
    after = never.table(again_items, [DIGEST], [never.widened(again.outcome)]).to_pylist()[0]
    assert (before["decision"], after["decision"]) == ("accept", "review")
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"decision", "reviewReasons", "taggedAt"}


def test_predictions_by_image_and_title_have_thresholds_of_their_own(
    bundle: Bundle, titles: EvidenceModel, tmp_path: Path
) -> None:
    never = Thresholds(dict.fromkeys(Level, 1.1))
    said = ["first", "mute"]
    kinds = [(LAX, never, ["review", "accept"]), (never, LAX, ["accept", "review"])]
    for by_image, with_titles, expected in kinds:
        rows = PredictionRows(
            bundle.card, by_image, "now", evidence=titles, join=True, others={Evidence.IMAGE_AND_TITLE: with_titles}
        )
        out = tmp_path / expected[0]
        run = a_run(out, rows, items(2, said), outcomes(bundle, [0.99] * 2), f"all {titles.digest}")
        table = pq.read_table(out / "predictions")
        assert table["evidence"].to_pylist() == ["image+title", "image"], "no word of the second title is known"
        assert table["decision"].to_pylist() == expected
    again = PredictionRows(
        bundle.card, LAX, "now", evidence=titles, join=True, others={Evidence.IMAGE_AND_TITLE: never}
    )
    digests, anew, _ = Known([run], bundle.card, again, titles, join=True).recall(shard(ids(2), titles=said))
    assert digests == [DIGEST.hex()] * 2
    assert all(anew), "the thresholds of both kinds have changed"


def test_a_title_makes_up_for_a_blurry_image(bundle: Bundle, titles: EvidenceModel, tmp_path: Path) -> None:
    blurry = bundle.changed(blur_threshold=1000.0)
    rows = PredictionRows(blurry.card, LAX, "now", evidence=titles, join=True)
    a_run(tmp_path / "r", rows, items(2, ["first", "mute"]), outcomes(blurry, [0.99] * 2), f"all {titles.digest}")
    reasons = pq.read_table(tmp_path / "r" / "predictions")["reviewReasons"].to_pylist()
    assert reasons == [[], ["blurry_image"]]


def test_an_unfamiliar_image_is_accepted_only_with_a_title_that_says_the_same(
    bundle: Bundle, titles: EvidenceModel, tmp_path: Path
) -> None:
    knowing = bundle.changed(familiarity=Familiarity(digest="of a file", below=0.05, held_out=100))
    rows = PredictionRows(knowing.card, LAX, "now", evidence=titles, join=True)
    weak = replace(titles, weights={Evidence.IMAGE_AND_TITLE: Weights((1.0, 0.01), 1.0)})
    overruled = PredictionRows(knowing.card, LAX, "now", evidence=weak, join=True)
    records = outcomes(knowing, [0.99] * 2)
    records["familiarity"] = 0.01
    of_both = [(rows, titles, [[], ["unfamiliar"]]), (overruled, weak, [["unfamiliar"], ["unfamiliar"]])]
    for n, (policy, model, expected) in enumerate(of_both):
        said = ["first", "mute"]
        run = a_run(tmp_path / str(n), policy, items(2, said), records, f"all {model.digest}")
        table = pq.read_table(tmp_path / str(n) / "predictions")
        assert table["evidence"].to_pylist() == ["image+title", "image"]
        assert table["reviewReasons"].to_pylist() == expected
        _, anew, _ = Known([run], knowing.card, policy, model, join=True).recall(shard(ids(2), titles=said))
        assert anew == [None, None], "what is decided again asks the title again"


def test_titles_that_check_are_asked_of_stored_confidences(
    bundle: Bundle, titles: EvidenceModel, tmp_path: Path
) -> None:
    run = a_run(tmp_path / "r", plain(bundle), items(2), outcomes(bundle, [0.9] * 2))
    checking = PredictionRows(bundle.card, LAX, "now", evidence=titles)
    digests, anew, _ = Known([run], bundle.card, checking, titles).recall(shard(ids(2), titles=["first", "mute"]))
    assert digests == [DIGEST.hex()] * 2
    assert [a is not None for a in anew] == [True, False]


def test_a_run_without_the_newer_columns_can_be_read(bundle: Bundle, tmp_path: Path) -> None:
    run = a_run(tmp_path / "r", plain(bundle), items(2), outcomes(bundle, [0.9] * 2))
    part = tmp_path / "r" / "predictions" / "part-00000.parquet"
    pq.write_table(
        pq.read_table(part).drop_columns(
            ["evidenceDigest", "imageEtag", "evidence", "imageArticleType", "titleArticleType"]
        ),
        part,
    )
    known = Known([run], bundle.card, plain(bundle))
    assert known.recall(shard(ids(2)))[0] == [DIGEST.hex()] * 2
    assert known.etags(at(ids(2)), [DIGEST.hex()] * 2) == [None] * 2
    assert [t.schema.names for t in run.directory.batches(PREDICTION.names)] == [PREDICTION.names]


def test_what_an_earlier_version_fused_with_titles_is_unknown_and_what_it_tagged_by_image_is_not(
    bundle: Bundle, titles: EvidenceModel, tmp_path: Path
) -> None:
    """Its runs name their title model `titles`, and the older of them do not say what each item was tagged by."""
    fusing = PredictionRows(bundle.card, LAX, "now", evidence=titles, join=True)
    for name, dropped, expected in (
        ("newer", ["evidenceDigest"], [None, DIGEST.hex()]),
        ("older", ["evidenceDigest", "evidence"], [None, None]),
    ):
        run = a_run(tmp_path / name, fusing, items(2, ["first", "mute"]), outcomes(bundle, [0.9] * 2))
        part = tmp_path / name / "predictions" / "part-00000.parquet"
        pq.write_table(pq.read_table(part).drop_columns(dropped), part)
        before = replace(run, record=run.record.model_copy(update={"inputs": {"titles": "fuse 0123"}}))
        assert Known([before], bundle.card, plain(bundle)).recall(shard(ids(2)))[0] == expected, name
        known = Known([before], bundle.card, fusing, titles, join=True)
        assert known.recall(shard(ids(2), titles=["first", "mute"]))[0] == expected, name


def test_a_column_that_changes_appears_or_disappears_is_looked_at_again(
    bundle: Bundle, titles: EvidenceModel, tmp_path: Path
) -> None:
    leaves = np.arange(100) % len(bundle.card.taxonomy.leaves)
    columns = fit_columns({"kind": [f"k{leaf}" for leaf in leaves]}, leaves, len(titles.prior), NoValue())
    weights = {Evidence.IMAGE_AND_COLUMNS: Weights((1.0, 1.0), 1.0)}
    model = EvidenceModel(bundle.card.model_id, titles.prior, columns=columns, weights=weights)
    joining = PredictionRows(bundle.card, LAX, "now", evidence=model, join=True)
    before = Items(ids(4), ids(4), [None] * 4, {"kind": ["k1", "k1", None, "k1"]})
    run = a_run(tmp_path / "r", joining, before, outcomes(bundle, [0.9] * 4), f"all {model.digest}")
    known = Known([run], bundle.card, joining, model, join=True)
    kinds = pa.array(["k1", "k2", "k1", None])
    digests, anew, _ = known.recall(shard(ids(4)).append_column(passthrough("kind"), kinds))
    assert digests == [DIGEST.hex(), None, DIGEST.hex(), None]
    assert [outcome is not None for outcome in anew] == [False, False, True, False], "the third is decided by both now"
    assert known.recall(shard(ids(4)))[0] == [None, None, DIGEST.hex(), None], "the manifest has no such column"


def test_an_etag_is_that_of_the_known_image_at_its_own_address(bundle: Bundle, tmp_path: Path) -> None:
    etags = ['"a"', 'W/"b"', None, '"d"', '"e"', "* hostile"]
    run = a_run(tmp_path / "r", plain(bundle), items(6), outcomes(bundle, [0.9] * 6), etags=etags)
    known = Known([run], bundle.card, plain(bundle))
    rows = at([*ids(6), "new"], ["i0", "i1", "i2", "elsewhere", None, "i5", "new"])
    digests: list[str | None] = [DIGEST.hex()] * 6
    assert known.etags(rows, [*digests, None]) == ['"a"', 'W/"b"', None, None, None, None, None]
    assert known.etags(at(ids(1)), [None]) == [None], "the image must be looked at"
    assert known.etags(at(ids(1)), ["02" * 32]) == [None], "it is another image"


def test_the_newest_etag_counts_also_where_the_newest_run_has_none(bundle: Bundle, tmp_path: Path) -> None:
    first = a_run(tmp_path / "1", plain(bundle), items(2), outcomes(bundle, [0.9] * 2), etags=['"old"', '"old"'])
    second = a_run(tmp_path / "2", plain(bundle), items(2), outcomes(bundle, [0.9] * 2), etags=['"new"', None])
    known = Known([second, first], bundle.card, plain(bundle))
    assert known.etags(at(ids(2)), [DIGEST.hex()] * 2) == ['"new"', '"old"']
    other = a_run(
        tmp_path / "3", plain(bundle), items(1), outcomes(bundle, [0.9]), etags=['"old"'], digest=b"\x02" * 32
    )
    known = Known([other, second, first], bundle.card, plain(bundle))
    assert known.etags(at(ids(1)), [DIGEST.hex()]) == [None], "the server has given another image since"


def test_images_that_crashed_are_known_to_the_same_model_and_libraries_alone(bundle: Bundle, tmp_path: Path) -> None:
    rows = plain(bundle)
    directory = RunDirectory(Location(str(tmp_path / "r")))
    outcomes: list[Outcome] = [CRASHED, CRASHED, ImageError(ErrorCode.TRUNCATED, "cut off")]
    directory.write_part(0, rows.table(items(3), [DIGEST, None, b"\x02" * 32], outcomes), {}, Spent(1, None))
    record = RunRecord(
        run_id="r", model_id="m", state="running", config={}, fingerprint="", inputs={}, versions={"simplejpeg": "1"},
        started_at=datetime.now(UTC), counts=Counts(),
    )  # fmt: skip
    run = LedgerEntry(directory, directory.finish(record, Staged(3, 3, 0, 0, {}, {}, 1)), True)
    assert Known([run], bundle.card, rows, versions={"simplejpeg": "1"}).crashed() == {DIGEST}
    assert Known([run], bundle.card, rows, versions={"simplejpeg": "2"}).crashed() == set(), "it may be mended"
    other = bundle.card.model_copy(update={"model_id": "another"})
    assert Known([run], other, rows, versions={"simplejpeg": "1"}).crashed() == set()
    unfinished = LedgerEntry(directory, record, False)
    assert Known([unfinished], bundle.card, rows, versions={"simplejpeg": "1"}).crashed() == set()


def test_another_calibration_is_another_model(bundle: Bundle, tmp_path: Path) -> None:
    run = a_run(tmp_path / "r", plain(bundle), items(1), outcomes(bundle, [0.9]))
    calibration = bundle.card.calibration.model_copy(update={"temperature": 2.0})
    other = bundle.changed(calibration=calibration)
    assert other.card.model_id != bundle.card.model_id
    known = Known([run], other.card, plain(other))
    assert known.recall(shard(ids(1)))[0] == [None]
    assert known.knows(ids(1)) == [True]
