"""The roles of a manifest's columns: the id, the labels, the image."""

from collections.abc import Mapping, Sequence

from tagger.errors import InputError, UsageError
from tagger.io.location import Location
from tagger.manifest import headings
from tagger.schemas.tables.item import Role

LABELS = (Role.MASTER_CATEGORY, Role.ARTICLE_TYPE)


class ColumnRoles:
    """Roles of columns: those that `--column ROLE=NAME` maps, and otherwise columns that have a role's name.

    Args:
        mapped: Column names by role, from `--column`.
    """

    def __init__(self, mapped: Mapping[Role, str]) -> None:
        self._mapped = dict(mapped)

    @property
    def id_column(self) -> str:
        """The name of the id's column."""
        return self.column_of(Role.ID)

    @property
    def needed(self) -> set[str]:
        """The columns that are looked for in every file: id, labels, and all that are mapped."""
        return {self.column_of(role) for role in (Role.ID, *LABELS)} | set(self._mapped.values())

    def column_of(self, role: Role) -> str:
        """The name of the column that has a role, if a file has one."""
        return self._mapped.get(role, str(role))

    def role_of(self, column: str) -> Role | None:
        """The role of a column; None for a column without one."""
        for role, mapped in self._mapped.items():
            if mapped == column:
                return role
        return Role(column) if column in list(Role) and Role(column) not in self._mapped else None

    def roles_in(self, columns: Sequence[str]) -> set[str]:
        """The roles that are mapped, or that one of the columns has."""
        return {str(role) for role in Role if role in self._mapped or str(role) in columns}

    def renamed(self, columns: Sequence[str]) -> list[str]:
        """Column names with roles applied; NAME becomes NAME_original where another column is mapped to that role."""
        return [
            str(role) if (role := self.role_of(c)) else f"{c}_original" if c in self._mapped else c for c in columns
        ]

    def why_unlabelled(self, columns: Sequence[str]) -> str | None:
        """Which label columns are missing, and which flags would name them; None if both exist."""
        roles = self.roles_in(columns)
        absent = [role for role in LABELS if str(role) not in roles]
        return headings.missing(absent, columns, self._mapped.values()) if absent else None

    def check(self, file: Location, columns: Sequence[str]) -> None:
        """Check that a manifest has its mapped columns and an id.

        Raises:
            UsageError: when a mapped column is missing.
            InputError: when there is no id.
        """
        for role, column in self._mapped.items():
            if column not in columns:
                hint = headings.did_you_mean(role, column, columns)
                raise UsageError(f"--column {role}={column}: {file} has {hint}")
        if Role.ID not in self._mapped and Role.ID not in columns:
            raise InputError(f"{file}: {headings.missing([Role.ID], columns, self._mapped.values())}")

    def check_id(self, file: Location, columns: Sequence[str]) -> None:
        """Check that one of several files has the id's column. Raises InputError."""
        if self.id_column not in columns:
            listed = headings.listed(columns)
            raise InputError(
                f"{file}: no column {self.id_column!r} for the id, which other files have; it has {listed}"
            )
