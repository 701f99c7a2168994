"""One value that an export sets in a PIM, or that an undo restores."""

from enum import StrEnum

import pyarrow as pa

from tagger.schemas.arrow import field


class ChangeKind(StrEnum):
    """What a change does."""

    SET = "set"
    UNDO = "undo"


class Outcome(StrEnum):
    """What becomes of an item in an export."""

    SET = "set"
    UNCHANGED = "unchanged"
    KEPT = "kept"
    WAITING = "waiting"
    UNUSABLE = "unusable"
    FAILED = "failed"
    UNMAPPED = "unmapped"
    LEFT_OUT = "left_out"
    PROPOSED = "proposed"
    REJECTED = "rejected"
    GONE = "gone"
    HELD = "held"

    @property
    def words(self) -> str:
        """The same in words."""
        return _WORDS[self]


_WORDS = {
    Outcome.SET: "to set",
    Outcome.UNCHANGED: "unchanged: the PIM has it already",
    Outcome.KEPT: "kept: the PIM has a value that no export wrote",
    Outcome.WAITING: "waiting for a person",
    Outcome.UNUSABLE: "unusable image, says a person",
    Outcome.FAILED: "failed: no usable image",
    Outcome.UNMAPPED: "unmapped: the map has no value for the class",
    Outcome.LEFT_OUT: "left out: the map says false",
    Outcome.PROPOSED: "proposed: its move is not accepted yet",
    Outcome.REJECTED: "rejected: its move was",
    Outcome.GONE: "gone: not in the PIM's export",
    Outcome.HELD: "held back: see below",
}

CHANGE = pa.schema(
    [
        field("id", pa.string(), "The item's id, as in the run.", nullable=False),
        field("key", pa.string(), "What the PIM's import finds the product by.", nullable=False),
        field("target", pa.string(), "The target of the export, such as akeneo.", nullable=False),
        field("heading", pa.string(), "The column or attribute of the PIM.", nullable=False),
        field("role", pa.string(), "What it is, such as category.", nullable=False),
        field("kind", pa.string(), f"One of {', '.join(ChangeKind)}.", nullable=False),
        field("value", pa.string(), "The value that was set, as in the map; null for an undo."),
        field("took", pa.list_(pa.string()), "Values that this one took the place of.", nullable=False),
        field(
            "before", pa.list_(pa.string()), "All values that --current had; empty where it had none.", nullable=False
        ),
        field("after", pa.list_(pa.string()), "All values after the import.", nullable=False),
        field("of", pa.string(), "The class, or the classes and tags, that the value stands for."),
        field("source", pa.string(), "Where the tag is from: model, person or refit; null for an undo."),
        field("confidence", pa.float32(), "The model's, where the tag is its; 0 to 1."),
        field("exportId", pa.string(), "The export, or the undo.", nullable=False),
        field("runId", pa.string(), "The run that made the prediction.", nullable=False),
        field("madeAt", pa.timestamp("us", tz="UTC"), "When the file was written.", nullable=False),
    ]
)
