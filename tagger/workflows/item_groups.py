"""The suppliers, brands or seasons of items, from the manifests of runs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from pydantic import ValidationError

from tagger.errors import InputError, UsageError
from tagger.io.location import first_line
from tagger.manifest.headings import listed, nearest
from tagger.manifest.manifest import Manifest
from tagger.reporter import Reporter
from tagger.runs.ledger import LedgerEntry
from tagger.runs.recorded import config_of
from tagger.schemas.configs.options import ManifestFormat
from tagger.schemas.configs.suppliers import SuppliersConfig
from tagger.schemas.configs.tag import TagConfig
from tagger.schemas.documents.taxonomy import Level
from tagger.suppliers.arrivals import Arrivals
from tagger.workflows.open_catalog import open_manifest

BLANK, ABSENT = "(blank)", "(not in the manifest)"
"""The groups of items without a value, and of those that no manifest has."""


@dataclass
class Grouped:
    """What the manifests say of the items."""

    groups: np.ndarray
    """Of each item, the index of its group, int64 [N]; 0 for one that no manifest has."""
    names: list[str] = field(default_factory=lambda: [ABSENT])
    labels: dict[str, tuple[str | None, str | None]] = field(default_factory=dict)
    """Master category and article type of decided items that came with a label."""
    of_decided: dict[str, int] = field(default_factory=dict)
    """The group of each decided item."""


def group_items(
    config: SuppliersConfig,
    reporter: Reporter,
    entries: Sequence[LedgerEntry],
    arrivals: Arrivals,
    decided: set[str],
) -> Grouped:
    """The group of each item, as the newest manifest that has it says.

    Args:
        config: Names the column, and perhaps the manifest; by default those of the runs are read.
        reporter: Takes what cannot be read.
        entries: The runs, the oldest first.
        arrivals: Their items.
        decided: Items whose labels are needed, too.

    Raises:
        UsageError: when no manifest has the column, or none can be read.
    """
    grouped = Grouped(np.zeros(len(arrivals), np.int64))
    names, have, lack = {ABSENT: 0}, 0, []
    for manifest in _manifests(config, reporter, entries):
        if config.by not in manifest.columns:
            lack.append(manifest)
            continue
        have += 1
        _read(manifest, config.by, arrivals, decided, names, grouped)
        if grouped.groups.all() and len(grouped.of_decided) == len(decided):
            break
    if not have:
        raise UsageError(_no_column(config, lack))
    if lack:
        reporter.warn(f"{len(lack):,} of the runs' manifests have no column {config.by}, such as {lack[0].files[0]}")
    grouped.names = list(names)
    return grouped


def _manifests(config: SuppliersConfig, reporter: Reporter, entries: Sequence[LedgerEntry]) -> Iterator[Manifest]:
    """The named manifest, or those of the runs, each once, the newest first; one that cannot be found is a warning."""
    if config.manifest:
        yield open_manifest(config.manifest, config, reporter)
        return
    seen: set[str] = set()
    for entry in reversed(entries):
        try:
            recorded = TagConfig.model_validate(config_of(entry.directory.root, entry.record))
            settings = {name: getattr(recorded, name) for name in ManifestFormat.model_fields}
            key = repr((recorded.manifest, settings))
            if key in seen:
                continue
            seen.add(key)
            yield open_manifest(recorded.manifest, recorded, reporter)
        except (ValidationError, UsageError, InputError, OSError) as error:
            reporter.warn(f"The manifest of {entry.directory.root.name} is left out: {first_line(error)}")


def _no_column(config: SuppliersConfig, manifests: Sequence[Manifest]) -> str:
    if not manifests:
        return "none of the runs' manifests can be read any more: name one with --manifest"
    columns = manifests[0].columns
    near = nearest(config.by, columns)
    meant = f"; did you mean {near}?" if near else f"; it has {listed(columns)}"
    return f"--by {config.by}: {manifests[0].files[0]} has no such column{meant}"


def _read(
    manifest: Manifest, by: str, arrivals: Arrivals, decided: set[str], names: dict[str, int], grouped: Grouped
) -> None:
    """Take the groups and labels of the items that no newer manifest had."""
    for batch in manifest.batches():
        ids = batch.items["id"].to_pylist()
        column = batch.column(by)
        texts = ["" if text is None else str(text).strip() for text in column.to_pylist()] if column is not None else []
        codes = np.array([names.setdefault(text or BLANK, len(names)) for text in texts], np.int64)
        numbers = arrivals.numbers.numbers(ids)
        is_open = numbers >= 0
        is_open[is_open] = grouped.groups[numbers[is_open]] == 0
        grouped.groups[numbers[is_open]] = codes[is_open]
        labels = (batch.column(str(level)) for level in Level)
        masters, articles = (label.to_pylist() if label is not None else [None] * len(ids) for label in labels)
        for row in (row for row, item in enumerate(ids) if item in decided and item not in grouped.of_decided):
            grouped.of_decided[ids[row]] = int(codes[row])
            if masters[row] or articles[row]:
                grouped.labels[ids[row]] = masters[row], articles[row]
