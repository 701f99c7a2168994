"""Indexes of vectors that a test makes up."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from tagger.imaging.layout import LAYOUT_SIZE
from tagger.io.location import Location
from tagger.schemas.documents.index import INDEXED, IndexCard
from tagger.schemas.documents.run import EngineCheck
from tagger.similarity.build import Piece, add


def made_index(
    folder: Path,
    items: pd.DataFrame,
    vectors: np.ndarray,
    keep: Sequence[str] = (),
    layouts: np.ndarray | None = None,
    model_id: str = "some-model",
    engine: EngineCheck | None = None,
    model: Path | None = None,
    catalogue: Mapping[str, object] | None = None,
) -> None:
    """An index of labelled items: id, imageUri, imageDigest, masterCategory, articleType and columns to keep.

    Args:
        folder: Where to make it.
        items: N rows.
        vectors: [N, D], of any length.
        keep: Columns of the items that the index keeps.
        layouts: [N, 216]; without them, zeros.
        model_id: Of the model that made the vectors.
        engine: What ran it.
        model: Where its bundle is.
        catalogue: Settings of the catalogue that its items come from.
    """
    schema = pa.schema([*INDEXED, *(pa.field(name, pa.string()) for name in keep)])
    table = pa.Table.from_pandas(items.assign(labelled=True)[schema.names], schema, preserve_index=False)
    of_length_one = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    folder.mkdir()
    card = IndexCard(
        model_id=model_id, model=str(model) if model else None, engine=engine, catalogue=dict(catalogue or {}),
        dimension=vectors.shape[1], keep=tuple(keep),
    )  # fmt: skip
    if layouts is None:
        layouts = np.zeros((len(items), LAYOUT_SIZE), np.float16)
    add(Location(str(folder)), card, [Piece(table, of_length_one.astype(np.float16), layouts)])
