"""Pictures of a run's items, from where the run had them."""

from collections.abc import Collection, Sequence

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import ValidationError

from tagger.errors import InputError, UsageError
from tagger.evaluation.pictures import Pictures
from tagger.reporter import Reporter
from tagger.runs.ledger import LedgerEntry
from tagger.runs.recorded import config_of
from tagger.schemas.configs.tag import TagConfig
from tagger.workflows.open_catalog import open_catalog


def pictures_of(
    entries: Sequence[LedgerEntry], items: Collection[str], reporter: Reporter
) -> tuple[dict[str, str], str]:
    """Thumbnails by id, as `data:` URLs, and why there are none.

    Args:
        entries: The runs, the newest first.
        items: The ids.
        reporter: Takes what opening the manifests says.
    """
    wanted, found, why = set(items), {}, ""
    for entry in entries:
        if not wanted:
            break
        refs = _references(entry, wanted)
        if not refs:
            continue
        try:
            config = TagConfig.model_validate(config_of(entry.directory.root, entry.record))
            _, store = open_catalog(config, _Quiet(reporter))
        except (ValidationError, UsageError, InputError) as error:
            why = f"{entry.directory.root.name} was tagged from images that cannot be found now ({_first(error)})"
            continue
        shown = Pictures(store, config.max_pixels).of(list(refs.values()))
        found.update({item: shown[ref] for item, ref in refs.items() if shown.get(ref)})
        wanted -= found.keys()
    return found, "" if found or not items else why


def _references(entry: LedgerEntry, wanted: Collection[str]) -> dict[str, str]:
    """Where the images of items were looked for, by id."""
    ids = pa.array(list(wanted), pa.string())
    refs: dict[str, str] = {}
    for table in entry.directory.batches(["id", "imageUri"]) if entry.done else ():
        chosen = table.filter(pc.is_in(table["id"], ids))
        refs.update(
            (i, ref) for i, ref in zip(*(chosen[c].to_pylist() for c in ("id", "imageUri")), strict=True) if ref
        )
    return refs


def _first(error: Exception) -> str:
    return str(error).strip().splitlines()[0]


class _Quiet:
    """Opens a manifest once more without its warnings, which the run has said."""

    def __init__(self, reporter: Reporter) -> None:
        self.step, self.progress = reporter.step, reporter.progress

    def warn(self, text: str) -> None:
        """Say nothing."""
