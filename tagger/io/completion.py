"""The completion marker of a folder: an empty file that is written last."""

from tagger.io.location import Location

SUCCESS = "_SUCCESS"
"""Its name is that of Spark and Hadoop, so that other readers know it."""


def is_complete(folder: Location) -> bool:
    """Whether a folder is complete."""
    return (folder / SUCCESS).exists()


def mark_complete(folder: Location) -> None:
    """Mark a folder as complete."""
    (folder / SUCCESS).write_bytes(b"")
