"""Finds the items of an index that are most similar to items or images."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from tagger.errors import UsageError
from tagger.io.completion import mark_complete
from tagger.io.location import Location
from tagger.io.parquet import write_parquet
from tagger.models.bundle import Bundle
from tagger.reporter import LOG, Reporter
from tagger.runs.ledger import read_ledger
from tagger.schemas.configs.options import ManifestFormat
from tagger.schemas.configs.similarity import SimilarConfig
from tagger.schemas.tables.similar import SIMILAR
from tagger.similarity.index import VectorIndex
from tagger.similarity.search import Criteria, Queries, Similar
from tagger.tagging.notebook import Tagger
from tagger.tagging.vector_rows import matrix_of
from tagger.workflows.open_catalog import new_folder, open_manifest, resolve_location, resolve_model

_AT_ONCE = 4096
_KNOWN = ("masterCategory", "articleType", "imageDigest")


@dataclass(frozen=True)
class SimilarResult:
    """Similar items of the queries."""

    table: pa.Table | None
    """By SIMILAR, the most similar first; None if it was written to `out`."""
    out: Location | None
    """Folder of Parquet files by SIMILAR."""
    rows: int
    items: int
    """Number of queries with results."""
    catalogue: Mapping[str, object] = field(default_factory=dict)
    """Settings of the catalogue of the index's items, as far as they are known."""


def find_similar(config: SimilarConfig, reporter: Reporter = LOG) -> SimilarResult:
    """Find the items of an index that are most similar to its own items, images, or the items of a manifest or run.

    The command is `tagger similar`.

    Args:
        config: The index, the queries, and how many results of which kind.
        reporter: Receives steps, warnings and progress.

    Returns:
        A table without `out`, else what was written there.

    Raises:
        UsageError: for an item that the index lacks, an image that cannot be read, or another model than the index's.
        InputError: when the index, the manifest or the run is incomplete.

    Example::

        from tagger import SimilarConfig, find_similar

        result = find_similar(SimilarConfig(index="index", id=["10003"], top=3))
        print(result.table.to_pandas()[["similarId", "cosine", "articleType"]])
    """
    index = VectorIndex(Location(config.index))
    similar = Similar(index, Criteria(config.top, config.same, config.unlike, config.other_images))
    out = new_folder(config.out, config) if config.out else None
    tables = _tables(config, similar, index, reporter)
    catalogue = index.card.catalogue | (_manifest_settings(config) if config.manifest else {})
    if out is None:
        table = pa.concat_tables([SIMILAR.empty_table(), *tables])
        return SimilarResult(table, None, len(table), len(table["id"].unique()), catalogue)
    rows, items = _write(tables, out)
    return SimilarResult(None, out, rows, items, catalogue)


def _manifest_settings(config: SimilarConfig) -> dict[str, object]:
    """The manifest of the queries, and how it is read."""
    return {name: getattr(config, name) for name in ("manifest", *ManifestFormat.model_fields)}


def _tables(config: SimilarConfig, similar: Similar, index: VectorIndex, reporter: Reporter) -> Iterator[pa.Table]:
    if config.id:
        missing = [name for name, number in zip(config.id, index.positions(config.id), strict=True) if number < 0]
        if missing:
            raise UsageError(f"--id {missing[0]}: there is no such item in {config.index}")
        yield similar.items(config.id)
    elif config.image:
        yield similar.find(_embed(config, index, reporter))
    elif config.manifest:
        manifest = open_manifest(config.manifest, config, reporter)
        reporter.step(f"Looking for similar items in {len(index):,} of {config.index}")
        yield from (similar.items(batch.items["id"].to_pylist()) for batch in manifest.batches())
    else:
        reporter.step(f"Looking for similar items in {len(index):,} of {config.index}")
        yield from (similar.find(queries) for queries in _of_run(config, index))


def _write(tables: Iterator[pa.Table], out: Location) -> tuple[int, int]:
    """Write the results; return the number of rows and of queries."""
    rows, ids, parts = 0, set(), 0
    for parts, table in enumerate(tables, 1):
        write_parquet(out / f"part-{parts - 1:05d}.parquet", table)
        rows += len(table)
        ids |= set(table["id"].to_pylist())
    if not parts:
        write_parquet(out / "part-00000.parquet", SIMILAR.empty_table())
    mark_complete(out)
    return rows, len(ids)


def _embed(config: SimilarConfig, index: VectorIndex, reporter: Reporter) -> Queries:
    """Embed image files as queries, with the index's model and engine."""
    model = config.model or index.card.model
    if model is None:
        raise UsageError("--model: name the bundle that made the index's vectors")
    reporter.step(f"Loading the model {model}")
    folder = resolve_model(model, config)
    tagger = Tagger(Bundle.load(folder), index.card.engine or "auto", folder=folder)
    if tagger.card.model_id != index.card.model_id:
        raise UsageError(
            f"--model: {model} is {tagger.card.model_id}, but the index has vectors of {index.card.model_id}"
        )
    reporter.step(f"Looking at {len(config.image):,} {'image' if len(config.image) == 1 else 'images'}")
    tags, vectors = tagger.tag_and_embed(config.image)
    expected = index.card.engine.engine if index.card.engine else None
    if tagger.engine and expected and tagger.engine.engine != expected:
        reporter.warn(
            f"the index's vectors come from {expected}, which cannot run here; with {tagger.engine.engine}, cosines "
            "are off in the third or fourth decimal"
        )
    failed = tags[tags["decision"] == "failed"]
    if len(failed):
        raise UsageError(f"--image {failed['id'].iloc[0]}: {failed['errorMessage'].iloc[0]}")
    columns = {name: tags[name].tolist() for name in _KNOWN}
    return Queries(config.image, vectors.astype(np.float32), np.full(len(vectors), -1), columns)


def _of_run(config: SimilarConfig, index: VectorIndex) -> Iterator[Queries]:
    """The items of a run as queries, with the run's vectors."""
    (entry,) = read_ledger(resolve_location(config.run or "", config), "--run")[:1]
    if entry.record.model_id != index.card.model_id:
        raise UsageError(
            f"--run: its vectors are those of {entry.record.model_id}, the index's of {index.card.model_id}"
        )
    for predictions, embeddings in entry.directory.embedded(_KNOWN):
        for first in range(0, len(predictions), _AT_ONCE):
            some = predictions.slice(first, _AT_ONCE)
            ids = some["id"].to_pylist()
            vectors = matrix_of(embeddings.slice(first, _AT_ONCE)["vector"]).astype(np.float32)
            yield Queries(ids, vectors, index.positions(ids), {name: some[name].to_pylist() for name in _KNOWN})
