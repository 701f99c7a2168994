"""Similar job: an index and items or images in; the items that look most like them out."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from tagger.errors import UsageError
from tagger.io.location import Location
from tagger.io.parquet import write_parquet
from tagger.jobs.shell.console import Console
from tagger.runs.ledger import read_ledger
from tagger.schemas.configs.similarity import SimilarConfig
from tagger.schemas.tables.similar import SIMILAR
from tagger.similarity.index import VectorIndex
from tagger.similarity.search import Asked, Similar, Wish
from tagger.tagging.notebook import Tagger
from tagger.tagging.rows import matrix_of
from tagger.workflows.open_catalog import open_manifest

_SUCCESS = "_SUCCESS"
_ASKED_AT_ONCE = 4096


def run(config: SimilarConfig, console: Console) -> int:
    """Find similar items: a table of them for some, Parquet for many."""
    index = VectorIndex(Location(config.index))
    similar = Similar(index, Wish(config.top, config.same, config.unlike, config.other_images))
    out = _new_folder(config)
    if config.id:
        missing = [name for name, number in zip(config.id, index.numbers(config.id), strict=True) if number < 0]
        if missing:
            raise UsageError(f"--id {missing[0]}: the index {config.index} has no such item")
        tables: Iterator[pa.Table] = iter([similar.items(config.id)])
    elif config.image:
        tables = iter([_of_images(config, similar, index)])
    elif config.manifest:
        manifest = open_manifest(config.manifest, config, console)
        tables = (similar.items(batch.items["id"].to_pylist()) for batch in manifest.batches())
    else:
        tables = _of_run(config, similar, index)
    if out is None:
        table = next(tables)
        _say(table, console)
        console.result({"similar": table.to_pylist()})
        return 0
    rows, asked, parts = 0, set(), 0
    for parts, table in enumerate(tables, 1):
        write_parquet(out / f"part-{parts - 1:05d}.parquet", table)
        rows += len(table)
        asked |= set(table["id"].to_pylist())
    if not parts:
        write_parquet(out / "part-00000.parquet", SIMILAR.empty_table())
    (out / _SUCCESS).write_bytes(b"")
    console.say(f"{rows:,} similar items of {len(asked):,}: {out}")
    console.result({"out": str(out), "rows": rows, "items": len(asked)})
    return 0


def _of_images(config: SimilarConfig, similar: Similar, index: VectorIndex) -> pa.Table:
    model = config.model or index.card.model
    if model is None:
        raise UsageError("--model: name the bundle that made the index's vectors")
    tagger = Tagger.load(_place(model, config).uri, s3_endpoint=config.s3_endpoint)
    if tagger.card.model_id != index.card.model_id:
        raise UsageError(
            f"--model: {model} is {tagger.card.model_id}, but the index has vectors of {index.card.model_id}"
        )
    tags, vectors = tagger.tag_and_embed(config.image)
    failed = tags[tags["decision"] == "failed"]
    if len(failed):
        raise UsageError(f"--image {failed['id'].iloc[0]}: {failed['errorMessage'].iloc[0]}")
    columns = {name: tags[name].tolist() for name in ("masterCategory", "articleType", "imageDigest")}
    return similar.find(Asked(config.image, vectors.astype(np.float32), np.full(len(vectors), -1), columns))


def _of_run(config: SimilarConfig, similar: Similar, index: VectorIndex) -> Iterator[pa.Table]:
    (entry,) = read_ledger(_place(config.run or "", config), "--run")[:1]
    if entry.record.model_id != index.card.model_id:
        raise UsageError(
            f"--run: its vectors are those of {entry.record.model_id}, the index's of {index.card.model_id}"
        )
    names = ("masterCategory", "articleType", "imageDigest")
    for found, vectors in entry.directory.embedded(names):
        for first in range(0, len(found), _ASKED_AT_ONCE):
            some, own = found.slice(first, _ASKED_AT_ONCE), vectors.slice(first, _ASKED_AT_ONCE)
            ids = some["id"].to_pylist()
            columns = {name: some[name].to_pylist() for name in names}
            yield similar.find(Asked(ids, matrix_of(own["vector"]).astype(np.float32), index.numbers(ids), columns))


def _new_folder(config: SimilarConfig) -> Location | None:
    if config.out is None:
        return None
    out = _place(config.out, config)
    if out.files() or (out / _SUCCESS).exists():
        raise UsageError(f"--out: {out} is not empty; name a new folder")
    out.check_writable("--out")
    return out


def _say(table: pa.Table, console: Console) -> None:
    names = ["rank", "similarId", "cosine", "masterCategory", "articleType", "labelled", "imageUri"]
    for name in dict.fromkeys(table["id"].to_pylist()):
        rows = [row for row in table.to_pylist() if row["id"] == name]
        cells = [["" if r[n] is None else f"{r[n]:.4f}" if n == "cosine" else r[n] for n in names] for r in rows]
        console.table(f"Items that look like {name}", ["", "item", *names[2:]], cells)


def _place(name: str, config: SimilarConfig) -> Location:
    return Location(name, config.s3_endpoint, config.s3_region)


if __name__ == "__main__":
    from tagger.jobs.shell.cli import main

    main(job="similar")
