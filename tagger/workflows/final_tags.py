"""The final tags of one or several runs, with what people decided about them."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import ValidationError

from tagger.decisions.final_tags import final_tags, newest_by_id, refit_tags
from tagger.decisions.read import DATABASE, decisions_of, refit_tags_of
from tagger.errors import InputError, UsageError
from tagger.io.location import Location
from tagger.manifest.no_value import NoValue
from tagger.models.bundle import CARD
from tagger.runs.ledger import LedgerEntry, latest, read_ledger
from tagger.runs.recorded import config_of
from tagger.schemas.documents.bundle import ModelCard
from tagger.schemas.documents.taxonomy import Level
from tagger.schemas.tables.final_tag import TagState


class FinalTags:
    """Final tags: a person's, else a refit's or the model's if it was accepted.

    If several runs have an item, the newest prediction counts.

    Args:
        source: A run, or a folder of runs.
        database: Where decisions are kept, where it is not beside the run.
        no_value: What else a tag says that is none.

    Raises:
        UsageError: when there is no run.
        InputError: when no run has finished.
    """

    def __init__(self, source: Location, database: str | None, no_value: Sequence[str]) -> None:
        self.entries: list[LedgerEntry] = read_ledger(source, "RUN")
        """The runs, the newest first; unfinished ones, too."""
        if not any(entry.done for entry in self.entries):
            raise InputError(f"RUN: {source} has not finished; the tag job's own command goes on with it")
        self._database = database or os.environ.get(DATABASE)
        self._no_value = NoValue(no_value)
        self.attributes = sorted({name for entry in self.entries if entry.done for name in entry.record.attributes})
        """Further tags of the finished runs."""
        self.decided: Mapping[str, Mapping[str, Any]] = newest_by_id(
            table for entry in self.entries for table in decisions_of(entry.directory, self._database)
        )
        """The newest decision of each item."""

    def tables(self) -> Iterator[pa.Table]:
        """One row for every item, by FINAL_TAG, in pieces."""
        refit = refit_tags(t for entry in self.entries for t in refit_tags_of(entry.directory, self._database))
        yield from final_tags(latest(self.entries, with_rolled_back=True), self.decided, refit, self._no_value)


def classes_of(tags: FinalTags) -> Counter[tuple[str, str]]:
    """Items of each (masterCategory, articleType): the classes of the runs' bundles, and those of the final tags."""
    found: Counter[tuple[str, str]] = Counter()
    for entry in tags.entries:
        model = config_of(entry.directory.root, entry.record).get("model")
        root = entry.directory.root
        with suppress(OSError, ValidationError, UsageError):  # the bundle may have gone
            bundle = Location(str(model), root.s3_endpoint, root.s3_region)
            card = ModelCard.model_validate_json((bundle / CARD).read_bytes())
            found.update({(leaf.masterCategory, leaf.articleType): 0 for leaf in card.taxonomy.leaves})
    for table in tags.tables():
        complete = table.filter(pc.equal(table["state"], str(TagState.COMPLETE)))
        found.update(zip(*(complete[str(level)].to_pylist() for level in Level), strict=True))
    return found
