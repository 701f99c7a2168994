"""Makes an index of the image vectors of runs, or adds to one."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from tagger.errors import InputError, UsageError
from tagger.io.location import Location
from tagger.io.lock import holding
from tagger.reporter import LOG, Bar, Reporter
from tagger.runs.ledger import LedgerEntry, newest_first, read_ledger
from tagger.runs.recorded import config_of
from tagger.schemas.configs.similarity import IndexConfig
from tagger.schemas.documents.index import IndexCard
from tagger.similarity.build import Piece, add
from tagger.similarity.index import VectorIndex, read_card
from tagger.similarity.vectors import EmbeddedItems, labels_of
from tagger.workflows.as_flags import catalogue_settings
from tagger.workflows.open_catalog import open_manifest, resolve_location


@dataclass(frozen=True)
class IndexResult:
    """A new or updated index."""

    folder: Location
    card: IndexCard
    """The index's metadata: its model, its segments, its number of items."""
    counts: dict[str, int]
    """Number of items of the runs that were new, changed, unchanged, or outdated; without zeros."""

    @property
    def newest_id(self) -> str:
        """The id of the item added last."""
        items = VectorIndex(self.folder).segments[-1].items
        return str(items["id"][len(items) - 1])


def build_index(config: IndexConfig, reporter: Reporter = LOG) -> IndexResult:
    """Make an index of the image vectors of runs, or add new and changed items to it.

    The command is `tagger index`.

    Args:
        config: The runs (tagged with `embeddings`), the index's folder, and a manifest with labels.
        reporter: Receives steps, warnings and progress.

    Returns:
        The index; `find_similar` searches it.

    Raises:
        UsageError: when the index holds another model's vectors or keeps other columns, or another process holds it.
        InputError: when no run has finished with image vectors.

    Example::

        from tagger import IndexConfig, build_index

        result = build_index(IndexConfig(run=["run-1"], out="index", manifest="styles.csv"))
        print(f"{result.card.items:,} items can be found")
    """
    folder = Location(config.out)
    entries = newest_first(
        [e for name in config.run for e in read_ledger(resolve_location(name, config), f"RUN {name}")]
    )
    runs = _usable(entries, read_card(folder), config, reporter)
    labels = None
    if config.manifest:
        reporter.step("Reading the labels")
        labels = labels_of(open_manifest(config.manifest, config, reporter, "--manifest"), config.keep)
    with holding(folder):
        before = read_card(folder)
        card = (before or _empty_card(runs, config)).model_copy(
            update={"catalogue": catalogue_settings(config_of(runs[0].directory.root, runs[0].record))}
        )
        if before and before.keep != tuple(config.keep):
            raise UsageError(f"--keep: the index {folder} keeps {list(before.keep)}; name them all, or a new folder")
        items = EmbeddedItems(runs, labels, VectorIndex(folder) if before else None)
        with reporter.progress("items", sum(e.record.counts.predictions for e in runs)) as bar:
            card = add(folder, card, _shown(items.pieces(), bar))
    return IndexResult(folder, card, {what: n for what, n in items.counts.items() if n})


def _shown(pieces: Iterable[Piece], bar: Bar) -> Iterator[Piece]:
    done = 0
    for piece in pieces:
        yield piece
        done += len(piece.vectors)
        bar.update(done)


def _usable(
    entries: Sequence[LedgerEntry], card: IndexCard | None, config: IndexConfig, reporter: Reporter
) -> list[LedgerEntry]:
    """The finished runs that have vectors of one model: the index's, or that of the newest run.

    Raises:
        InputError: when there are none.
        UsageError: when the runs and the index have different models.
    """
    with_vectors = [e for e in entries if e.done and e.directory.embeddings.exists()]
    if not with_vectors:
        raise InputError("RUN: none of these has finished with image vectors; tagger tag --embeddings writes them")
    model_id = card.model_id if card else with_vectors[0].record.model_id
    usable = [e for e in with_vectors if e.record.model_id == model_id]
    if not usable:
        raise UsageError(
            f"--out: {config.out} holds vectors of {model_id}, and the runs those of "
            f"{with_vectors[0].record.model_id}; name a new folder"
        )
    left_out = [e.directory.root.name for e in entries if e not in usable]
    if left_out:
        reporter.warn(f"left out, as unfinished, without vectors or another model's: {', '.join(left_out)}")
    return usable


def _empty_card(runs: Sequence[LedgerEntry], config: IndexConfig) -> IndexCard:
    record = runs[0].record
    model = config_of(runs[0].directory.root, record).get("model")
    for entry in runs:
        for _, vectors in entry.directory.embedded([]):
            if len(vectors):
                return IndexCard(
                    model_id=record.model_id,
                    model=str(model) if model else None,
                    engine=record.engine,
                    dimension=len(vectors["vector"][0]),
                    keep=tuple(config.keep),
                )
    raise InputError("RUN: there is no image vector in these runs")
