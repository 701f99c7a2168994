"""Index job: runs with image vectors in; an index out, with which items that look alike are found."""

from collections.abc import Iterable, Iterator, Sequence

from tagger.errors import InputError, UsageError
from tagger.io.location import Location
from tagger.io.lock import holding
from tagger.jobs.shell.console import Console
from tagger.reporter import Bar
from tagger.runs.ledger import LedgerEntry, newest_first, read_ledger
from tagger.schemas.configs.similarity import IndexConfig
from tagger.schemas.documents.index import IndexCard
from tagger.similarity.build import Piece, add
from tagger.similarity.index import VectorIndex, read_card
from tagger.similarity.vectors import EmbeddedItems, labels_of
from tagger.workflows.open_catalog import open_manifest


def run(config: IndexConfig, console: Console) -> int:
    """Make an index, or add to it what is new or changed."""
    folder = Location(config.out)
    entries = newest_first([e for name in config.runs for e in read_ledger(_place(name, config), f"RUN {name}")])
    before = read_card(folder)
    runs = _usable(entries, before, config, console)
    labels = None
    if config.labels:
        console.step("Reading the labels")
        labels = labels_of(open_manifest(config.labels, config, console, "--labels"), config.keep)
    with holding(folder):
        before = read_card(folder)
        card = before or _empty_card(runs, config)
        if before and before.keep != tuple(config.keep):
            raise UsageError(f"--keep: the index {folder} keeps {list(before.keep)}; name them all, or a new folder")
        items = EmbeddedItems(runs, labels, VectorIndex(folder) if before else None)
        expected = sum(e.record.counts.predictions for e in runs)
        with console.progress("items", expected) as bar:
            card = add(folder, card, _shown(items.pieces(), bar))
    counts = {what: n for what, n in items.counts.items() if n}
    console.table("Items", ["what", "items"], [*counts.items(), ("in all", card.items)])
    console.say(f"Index: {folder}")
    segments = [segment.model_dump(mode="json", by_alias=True) for segment in card.segments]
    console.result(
        {"index": str(folder), "items": card.items, "counts": counts, "modelId": card.model_id, "segments": segments}
    )
    return 0


def _shown(pieces: Iterable[Piece], bar: Bar) -> Iterator[Piece]:
    done = 0
    for piece in pieces:
        yield piece
        done += len(piece.vectors)
        bar.update(done)


def _place(name: str, config: IndexConfig) -> Location:
    return Location(name, config.s3_endpoint, config.s3_region)


def _usable(
    entries: Sequence[LedgerEntry], card: IndexCard | None, config: IndexConfig, console: Console
) -> list[LedgerEntry]:
    """The runs that finished, have vectors, and were made by one model: the index's, or that of the newest.

    Raises:
        InputError: when there are none.
        UsageError: when they are another model's than the index's.
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
        console.warn(f"left out, as unfinished, without vectors or another model's: {', '.join(left_out)}")
    return usable


def _empty_card(runs: Sequence[LedgerEntry], config: IndexConfig) -> IndexCard:
    record = runs[0].record
    model = record.config.get("model")
    for entry in runs:
        for _, vectors in entry.directory.embedded([]):
            if len(vectors):
                dimension = len(vectors["vector"][0])
                return IndexCard(
                    model_id=record.model_id,
                    model=str(model) if model else None,
                    dimension=dimension,
                    keep=tuple(config.keep),
                )
    raise InputError("RUN: there is no image vector in these runs")


if __name__ == "__main__":
    from tagger.jobs.shell.cli import main

    main(job="index")
