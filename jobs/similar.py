"""The similar command: finds the items of an index that are most similar to items or images."""

import pyarrow as pa

from tagger.jobs.shell.console import Console
from tagger.jobs.shell.next_command import UNKNOWN, next_line
from tagger.schemas.configs.similarity import SimilarConfig
from tagger.workflows.as_flags import catalogue_flags
from tagger.workflows.similar import SimilarResult, find_similar


def run(config: SimilarConfig, console: Console) -> int:
    """Find similar items: prints a table for a few queries, writes Parquet for many."""
    result = find_similar(config, console)
    if result.table is not None:
        _say(result.table, console)
        console.result({"similar": result.table.to_pylist()})
    else:
        console.say(f"{result.rows:,} similar items of {result.items:,}: {result.out}")
        console.result({"out": str(result.out), "rows": result.rows, "items": result.items})
    console.say(_next(config, result))
    return 0


def _next(config: SimilarConfig, result: SimilarResult) -> str:
    """The next command: find the items that show one picture."""
    out = f"{config.index.rstrip('/')}-duplicates"
    catalogue = catalogue_flags({"manifest": UNKNOWN, "images": UNKNOWN, **result.catalogue})
    return next_line(config, "duplicates", config.index, *catalogue, "--out", out)


def _say(table: pa.Table, console: Console) -> None:
    names = ["rank", "similarId", "cosine", "masterCategory", "articleType", "labelled", "imageUri"]
    for name in dict.fromkeys(table["id"].to_pylist()):
        rows = [row for row in table.to_pylist() if row["id"] == name]
        cells = [["" if r[n] is None else f"{r[n]:.4f}" if n == "cosine" else r[n] for n in names] for r in rows]
        console.table(f"Items that look like {name}", ["", "item", *names[2:]], cells)


if __name__ == "__main__":
    from tagger.jobs.shell.cli import main

    main(job="similar")
