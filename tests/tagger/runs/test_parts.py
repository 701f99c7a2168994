"""What the parts of a run say of themselves."""

import itertools
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tagger.errors import InputError, TaggerError
from tagger.io.location import Location
from tagger.runs import parts as parts_module
from tagger.runs.parts import (
    PartCounts,
    Spent,
    engine_share,
    failed_images,
    part_counts,
    prediction_pieces,
    rows_done,
    whole_counts,
)
from tagger.runs.staging import Staged
from tagger.schemas.tables.prediction import PREDICTION


def predictions(*decisions: str) -> pa.Table:
    """Rows with these decisions; the colour of each that is accepted is accepted, that of each failed one missing."""
    codes = ["not_found" if decision == "failed" else None for decision in decisions]
    colours = [
        None if decision == "failed" else [{"name": "colour", "value": "Red", "confidence": 0.5, "decision": decision}]
        for decision in decisions
    ]
    columns = {
        "decision": pa.array(decisions, pa.string()), "errorCode": pa.array(codes, pa.string()),
        "attributes": pa.array(colours, PREDICTION.field("attributes").type),
    }  # fmt: skip
    nulls = {name: pa.nulls(len(decisions)) for name in PREDICTION.names if name not in columns}
    return pa.table({**nulls, **columns})


def staged(rows: int) -> Staged:
    return Staged(
        rows=rows, items=5, repaired=1, rejects=2, skip_reasons={"labelled": 3}, reject_reasons={"blank_id": 2},
        shards=2, known=1,
    )  # fmt: skip


@pytest.fixture
def parts() -> list[PartCounts]:
    """Of two shards: three predictions, and one with an item that is known."""
    return [
        PartCounts.of_predictions(predictions("accept", "review", "failed"), {}, Spent(4, 3), 0),
        PartCounts.of_predictions(predictions("accept"), {"known": 1, "decided": 0}, Spent(9, None), 1),
    ]


def test_what_a_part_says_of_itself_comes_back_from_its_metadata(parts: list[PartCounts]) -> None:
    for part in parts:
        schema = pa.schema([], metadata=part.as_metadata())
        assert PartCounts.of_metadata(schema.metadata, "part") == part
    assert [part.rows for part in parts] == [3, 2]


def test_a_part_that_says_nothing_of_itself_is_refused_by_name(tmp_path: Path) -> None:
    pq.write_table(predictions("accept"), tmp_path / "part-00000.parquet")
    with pytest.raises(InputError, match=r"part-00000\.parquet: does not say how many rows"):
        part_counts(Location(str(tmp_path)))
    with pytest.raises(InputError, match=r"part-00000\.parquet: does not say how many rows"):
        failed_images(Location(str(tmp_path)), {"not_found": 1})


def test_all_rows_of_a_manifest_are_accounted_for(parts: list[PartCounts]) -> None:
    counts = whole_counts(staged(10), parts)
    assert (counts.rows, counts.predictions, counts.rejects, counts.skipped) == (10, 4, 2, 4)
    assert (counts.known, counts.redecided, counts.parts) == (2, 1, 2)
    assert counts.errors == {"not_found": 1}
    assert counts.skip_reasons == {"labelled": 3, "known": 1}
    assert counts.attributes == {"colour": {"accept": 2, "review": 1}}


def test_a_row_that_went_nowhere_is_an_error(parts: list[PartCounts]) -> None:
    with pytest.raises(
        TaggerError, match="11 rows were read, but there are 4 predictions, 2 rejects, 4 skipped rows and 0 further"
    ):
        whole_counts(staged(11), parts)


def test_the_engines_share_leaves_out_workers_whose_engine_ran_elsewhere(parts: list[PartCounts]) -> None:
    assert engine_share(parts) == pytest.approx(3 / 4)
    assert engine_share(parts[1:]) is None


def write_parts(folder: Path, *decisions: tuple[str, ...]) -> Location:
    """Parts of a run, whose items are numbered through; nobody's images were found."""
    numbered = itertools.count()
    for number, of_part in enumerate(decisions):
        table = predictions(*of_part)
        table = table.set_column(table.schema.get_field_index("id"), "id", [[str(next(numbered)) for _ in of_part]])
        counts = PartCounts.of_predictions(table, {}, Spent(number, None), 0)
        pq.write_table(table.replace_schema_metadata(counts.as_metadata()), folder / f"part-{number:05d}.parquet")
    return Location(str(folder))


def test_counts_are_in_the_order_of_the_parts_although_several_are_read_at_once(tmp_path: Path) -> None:
    folder = write_parts(tmp_path, *[("accept",) * (n % 3 + 1) for n in range(99)])
    assert [part.spent.worker_s for part in part_counts(folder)] == list(range(99))
    assert [part.rows for part in part_counts(folder)] == [n % 3 + 1 for n in range(99)]
    assert rows_done(folder) == 99 * 2


def test_the_first_failed_images_are_the_examples_and_all_are_counted(tmp_path: Path) -> None:
    folder = write_parts(tmp_path, ("accept",), ("failed", "accept"), *[("failed",)] * 40)
    failed = failed_images(folder, {"not_found": 41})
    assert failed.counts == {"not_found": 41}
    assert [example.id for example in failed.examples["not_found"]] == ["1", *(str(n) for n in range(3, 22))]


def test_no_part_is_opened_for_failed_images_where_none_failed(tmp_path: Path) -> None:
    (tmp_path / "part-00000.parquet").write_bytes(b"cannot be read")
    assert not failed_images(Location(str(tmp_path)), {}).counts


def test_pieces_are_in_order_whether_parts_are_read_ahead_or_too_large_for_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_parts(tmp_path, *[("accept",) * (n % 3 + 1) for n in range(30)])
    for most_bytes in (1 << 28, 1):
        monkeypatch.setattr(parts_module, "_BYTES_AHEAD", most_bytes)
        ids = [item for piece in prediction_pieces(folder, ["id"]) for item in piece["id"].to_pylist()]
        assert ids == [str(n) for n in range(60)]
