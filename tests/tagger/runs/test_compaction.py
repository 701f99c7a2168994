"""Parts of a large run become few files with the same rows and counts, wherever a kill falls."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tagger.flow.tasks import in_turn
from tagger.io.location import Location
from tagger.runs.compaction import join_parts
from tagger.runs.directory import RunDirectory
from tagger.runs.parts import Spent, part_counts, whole_counts
from tagger.runs.staging import Staged
from tagger.schemas.tables.embedding import EMBEDDING
from tagger.schemas.tables.prediction import PREDICTION

PARTS, ROWS = 25, 4


class KilledError(Exception):
    """The command was killed."""


def a_run(folder: Path, with_vectors: bool = True) -> RunDirectory:
    """A run of PARTS parts of ROWS items, the last of each without an image, whose counts differ."""
    run = RunDirectory(Location(str(folder)))
    for number in range(PARTS):
        ids = [f"{number}-{n}" for n in range(ROWS)]
        decisions = ["accept", "review", "accept" if number % 2 else "review", "failed"]
        columns = {
            "id": pa.array(ids), "decision": pa.array(decisions),
            "errorCode": pa.array([None, None, None, "not_found"], pa.string()),
        }  # fmt: skip
        nulls = {f.name: pa.nulls(ROWS, f.type) for f in PREDICTION if f.name not in columns}
        table = pa.table({f.name: columns.get(f.name, nulls.get(f.name)) for f in PREDICTION})
        if with_vectors:
            vectors = {"id": pa.array(ids[:-1]), "vector": pa.array([np.ones(8, np.float16) * number] * (ROWS - 1))}
            nulls = {f.name: pa.nulls(ROWS - 1, f.type) for f in EMBEDDING if f.name not in vectors}
            run.write_embeddings(number, pa.table({f.name: vectors.get(f.name, nulls.get(f.name)) for f in EMBEDDING}))
        run.write_part(number, table, {"known": number % 3}, Spent(2, 1), number % 2)
    return run


def staged() -> Staged:
    rows = PARTS * ROWS + sum(number % 3 for number in range(PARTS))
    return Staged(rows, rows, 0, 0, {}, {}, PARTS)


def content(run: RunDirectory) -> dict[str, Any]:
    """All that readers take from a run."""
    return {
        "rows": [row for piece in run.batches(["id", "decision"]) for row in piece.to_pylist()],
        "counts": whole_counts(staged(), part_counts(run.predictions)).model_dump() | {"parts": 0},
    }


def aligned(run: RunDirectory) -> list[tuple[str, list[float]]]:
    """The ids of predictions with the vectors beside them."""
    return [
        (item, vector)
        for rows, vectors in run.embedded(["decision"])
        for item, vector in zip(rows["id"].to_pylist(), vectors["vector"].to_pylist(), strict=True)
    ]


def test_many_parts_become_few_files_with_the_same_rows_vectors_and_counts(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    before, vectors = content(run), aligned(run)
    schema = pq.read_schema(tmp_path / "predictions/part-00000.parquet").remove_metadata()
    size = max(run.predictions.sizes().values())
    files = join_parts(run, in_turn, many=10, file_bytes=7 * size)
    assert (content(run), aligned(run)) == (before, vectors)
    names = list(run.predictions.sizes())
    assert list(run.embeddings.sizes()) == names
    assert (files, len(names)) == (4, 4)
    assert names[0] == "part-00000.parquet"
    assert run.pending(staged()) == []
    assert pq.read_schema(tmp_path / "predictions" / names[0]).remove_metadata().equals(schema)


def test_few_parts_and_large_ones_stay_as_they_are(tmp_path: Path) -> None:
    run = a_run(tmp_path, with_vectors=False)
    before = run.predictions.sizes()
    assert join_parts(run, in_turn, many=PARTS) == 0
    assert not run.joining.exists()
    assert join_parts(run, in_turn, many=10, file_bytes=1) == 0
    assert run.predictions.sizes() == before


@pytest.mark.parametrize("with_vectors", [True, False])
def test_a_kill_anywhere_is_made_good_by_the_next_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, with_vectors: bool
) -> None:
    expected = content(a_run(tmp_path / "whole", with_vectors))
    for allowed in itertools.count():
        run = a_run(tmp_path / str(allowed), with_vectors)
        size = max(run.predictions.sizes().values())

        def join() -> int:
            return join_parts(run, in_turn, many=10, file_bytes=7 * size)  # noqa: B023 - called in this round

        with monkeypatch.context() as patched:
            left = itertools.count(allowed, -1)

            def counted(change: Callable[..., None]) -> Callable[..., None]:
                def changed(*arguments: object) -> None:
                    if next(left) == 0:  # noqa: B023 - called in this round
                        raise KilledError
                    change(*arguments)

                return changed

            for name in ("write_bytes", "delete"):
                patched.setattr(Location, name, counted(getattr(Location, name)))
            try:
                join()
                break
            except KilledError:
                pass
        join()
        assert content(run) == expected
        assert len(run.predictions.sizes()) == 4
        if with_vectors:
            assert list(run.embeddings.sizes()) == list(run.predictions.sizes())
            assert len(aligned(run)) == PARTS * (ROWS - 1)
    assert allowed > 4 + 21
