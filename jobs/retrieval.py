"""The retrieval command: measures how well indexes find items of the same class, and writes a report."""

from tagger.jobs.shell.console import Console
from tagger.jobs.shell.next_command import next_line
from tagger.schemas.configs.similarity import RetrievalConfig
from tagger.workflows.retrieval import RetrievalResult, measure_retrieval

_COLUMNS = {
    "vectors": "vectors",
    "by": "same",
    "precision@1": "P@1",
    "precision@5": "P@5",
    "precision@20": "P@20",
    "average_precision": "mAP",
}


def run(config: RetrievalConfig, console: Console) -> int:
    """Search the train items with each test item, and count how often results have its class."""
    measured = measure_retrieval(config, console)
    _say(console, measured)
    console.say(f"Page: {measured.page}")
    shop = ["--manifest", config.manifest, *(["--images", config.images] if config.images else [])]
    console.say(next_line(config, "duplicates", config.index[0], *shop, "--out", f"{config.index[0]}-duplicates"))
    console.result({"page": str(measured.page), "figures": measured.summary.to_dict("records")})
    return 0


def _say(console: Console, measured: RetrievalResult) -> None:
    rows = measured.summary[[*_COLUMNS]].to_numpy().tolist()
    console.table(
        f"{measured.queries:,} test items looked for among {measured.gallery:,} train items",
        [*_COLUMNS.values()],
        [[f"{v:.3f}" if isinstance(v, float) else v for v in row] for row in rows],
    )
    console.say(
        "P@5: share of the five most similar items that are of the same class; mAP: mean average precision over the "
        "whole ranking. From 0 to 1, higher is better."
    )


if __name__ == "__main__":
    from tagger.jobs.shell.cli import main

    main(job="retrieval")
