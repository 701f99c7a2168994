"""What all forms of files have in common."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from tagger.io.location import Location
from tagger.notices import Notices
from tagger.pim.fields import Field
from tagger.pim.values import Values

Document = Mapping[str, object]
"""A row by heading, or a line of JSON."""


class Record(NamedTuple):
    """One product of a PIM's own export."""

    id: str
    """What the run's ids are compared with."""
    key: str
    """What an import finds it by."""
    values: dict[str, Values]
    """Of each field, by its heading."""
    rest: dict[str, str]
    """Further cells: those that a row must have, and columns that decide about values."""


class Form(Protocol):
    """Reads a PIM's own export, and makes rows for its import."""

    key: str
    """What the column of keys is called."""
    has_other_columns: bool
    """Whether the export that was read has more than what is written."""

    def records(self, files: Sequence[Location], notices: Notices) -> Iterator[Record]:
        """The products of an export, in order; one that has several rows or ids comes several times.

        Raises InputError when a column is missing.
        """
        ...

    def documents(self, record: Record, values: Mapping[Field, Values]) -> Iterator[tuple[str, Document]]:
        """What an import needs to set values, each part with the name of the kind of file that it goes to.

        Args:
            record: The product, with the key alone where there is no export.
            values: All values of each field after the import; an empty one is taken away.
        """
        ...
