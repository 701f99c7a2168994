"""Similar job: an index and items or images in; the items that look most like them out."""

import pyarrow as pa

from tagger.jobs.shell.console import Console
from tagger.schemas.configs.similarity import SimilarConfig
from tagger.workflows.similar import find_similar


def run(config: SimilarConfig, console: Console) -> int:
    """Find similar items: a table of them for some, Parquet for many."""
    found = find_similar(config, console)
    if found.table is not None:
        _say(found.table, console)
        console.result({"similar": found.table.to_pylist()})
        return 0
    console.say(f"{found.rows:,} similar items of {found.items:,}: {found.out}")
    console.result({"out": str(found.out), "rows": found.rows, "items": found.items})
    return 0


def _say(table: pa.Table, console: Console) -> None:
    names = ["rank", "similarId", "cosine", "masterCategory", "articleType", "labelled", "imageUri"]
    for name in dict.fromkeys(table["id"].to_pylist()):
        rows = [row for row in table.to_pylist() if row["id"] == name]
        cells = [["" if r[n] is None else f"{r[n]:.4f}" if n == "cosine" else r[n] for n in names] for r in rows]
        console.table(f"Items that look like {name}", ["", "item", *names[2:]], cells)


if __name__ == "__main__":
    from tagger.jobs.shell.cli import main

    main(job="similar")
