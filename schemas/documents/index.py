"""`index.json`: the metadata of an index of image vectors."""

from typing import Literal

import pyarrow as pa
from pydantic import Field

from tagger.schemas.arrow import field
from tagger.schemas.documents.run import EngineCheck, RunPart

INDEXED = pa.schema(
    [
        field("id", pa.string(), "The item's id.", nullable=False),
        field("imageUri", pa.string(), "Where its image was looked for."),
        field("imageDigest", pa.string(), "SHA-256 of the image file's bytes, in hexadecimal.", nullable=False),
        field("masterCategory", pa.string(), "The label where the manifest has one, else the prediction."),
        field("articleType", pa.string(), "The label where the manifest has one, else the prediction."),
        field("labelled", pa.bool_(), "Whether those are labels.", nullable=False),
    ]
)
"""One item of an index; additional columns of the manifest follow."""


class IndexSegment(RunPart):
    """Vectors that were added together; never changed afterwards."""

    name: str
    items: int
    lists: int = Field(description="Clusters that the vectors lie in; 1 where every search looks at all of them.")
    probes: int = Field(default=1, description="Clusters that a search looks at.")
    recall: float = Field(default=1, description="Share of the five nearest that searches found, on its own vectors.")
    replaced: str | None = Field(default=None, description="File with the places of items that a later segment has.")


class IndexCard(RunPart):
    """The model of an index, and its segments, the oldest first."""

    index_version: Literal[1] = 1
    model_id: str
    model: str | None = Field(default=None, description="Where the bundle was that made the vectors.")
    engine: EngineCheck | None = Field(
        default=None, description="What ran the model; images to find items for are looked at with the same."
    )
    catalogue: dict[str, object] = Field(
        default={},
        description="Manifest, images and their settings, by the newest of the runs; empty in an older index.",
    )
    dimension: int
    keep: tuple[str, ...] = Field(default=(), description="Additional columns of the manifest.")
    segments: tuple[IndexSegment, ...] = ()
    items: int = Field(default=0, description="Items that can be found.")
