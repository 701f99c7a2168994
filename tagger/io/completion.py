"""The mark of a folder whose contents are whole: an empty file that is written last."""

from tagger.io.location import Location

SUCCESS = "_SUCCESS"
"""Its name; as that of Spark and Hadoop, so that other readers know it."""


def is_complete(folder: Location) -> bool:
    """Whether all that belongs into a folder is there."""
    return (folder / SUCCESS).exists()


def mark_complete(folder: Location) -> None:
    """Say that all that belongs into a folder is there."""
    (folder / SUCCESS).write_bytes(b"")
