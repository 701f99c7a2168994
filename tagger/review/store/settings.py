"""Values that a review remembers by name: what it began with, and its secret."""

from typing import Any

from sqlalchemy import Engine, and_, insert, select
from sqlalchemy.exc import IntegrityError

from tagger.review.store.tables import READ_ONLY, settings

LEAVES, DUPLICATES, SUGGESTIONS, LEAF_COUNTS, SECRET = "leaves", "duplicates", "suggestions", "leaf_counts", "secret"
COLUMNS = "columns"
"""The manifest's columns with few values: for each, its values with the items that have them."""


class Settings:
    """The settings of one run's review; each is set once and stays.

    Args:
        engine: From `open_database`, or `open_to_read`.
        run_id: The run.
    """

    def __init__(self, engine: Engine, run_id: str) -> None:
        self._engine = engine
        self._reader = engine.execution_options(**READ_ONLY)
        self._run_id = run_id

    def get(self, name: str) -> Any:
        """A value (any JSON); None where it was never set."""
        with self._reader.begin() as connection:
            named = and_(settings.c.run_id == self._run_id, settings.c.name == name)
            return connection.scalar(select(settings.c.value).where(named))

    def set_once(self, name: str, value: Any) -> Any:
        """Set a value unless there is one; return the stored one."""
        try:
            with self._engine.begin() as connection:
                connection.execute(insert(settings).values(run_id=self._run_id, name=name, value=value))
        except IntegrityError:
            return self.get(name)
        return value
