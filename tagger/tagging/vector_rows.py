"""Image vectors as rows of their contract, and back."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from tagger.schemas.tables.embedding import EMBEDDING


def vector_table(model_id: str, ids: Sequence[str], digests: Sequence[bytes | None], records: np.ndarray) -> pa.Table:
    """Rows by EMBEDDING.

    Args:
        model_id: The bundle that made the vectors.
        ids: Of N items.
        digests: Of their images.
        records: Outcomes with vectors, by `outcome_type` [N].
    """
    columns = {
        "id": pa.array(ids, pa.string()),
        "imageDigest": pa.array([(digest or b"").hex() for digest in digests], pa.string()),
        "modelId": pa.repeat(pa.scalar(model_id, pa.string()), len(ids)),
        "layout": _lists(records["layout"]),
        "vector": _lists(records["embedding"]),
    }
    return pa.table(columns, schema=EMBEDDING)


def matrix_of(column: pa.ChunkedArray) -> np.ndarray:
    """The vectors or layouts of rows by EMBEDDING, float16 [N, D]."""
    flat = column.combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return np.asarray(flat.reshape(len(column), -1) if len(column) else flat.reshape(0, 0))


def _lists(matrix: np.ndarray) -> pa.ListArray:
    """The rows of a matrix float16 [N, D] as lists, by EMBEDDING."""
    offsets = pa.array(np.arange(len(matrix) + 1) * matrix.shape[1], pa.int32())
    return pa.ListArray.from_arrays(offsets, pa.array(matrix.reshape(-1)), type=EMBEDDING.field("vector").type)
