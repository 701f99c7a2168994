"""The pack command: packs many small images into a few large Parquet files."""

from tagger.jobs.shell.console import Console
from tagger.jobs.shell.next_command import UNKNOWN, next_line, next_on_catalogue
from tagger.jobs.shell.outcome import DONE, TOO_MANY_FAILED
from tagger.packing.folder import PackFolder
from tagger.schemas.configs.pack import PackConfig
from tagger.workflows import image_errors
from tagger.workflows.pack import PackResult, pack


def run(config: PackConfig, console: Console) -> int:
    """Pack the images, and report the counts and what could not be read."""
    result = pack(config, console)
    _say(config, console, result)
    document = result.counts.model_dump(mode="json", by_alias=True)
    console.result(
        {
            "out": str(result.folder),
            **document,
            "failedImages": image_errors.document(result.failed),
            "nearMisses": list(result.near_misses),
        }
    )
    return TOO_MANY_FAILED if result.too_many else DONE


def _say(config: PackConfig, console: Console, result: PackResult) -> None:
    counts, folder = result.counts, PackFolder(result.folder)
    console.table("Packed images", ["what", "count"], _rows(config, result))
    console.say(f"{counts.image_bytes / 10**6:,.1f} MB of images: {folder.root}")
    if counts.failed:
        console.say(f"Images that could not be read, all of which {folder.failed} lists:")
        for line in image_errors.lines(result.failed, result.near_misses):
            console.say(line)
    if counts.rejects:
        rows = "row" if counts.rejects == 1 else "rows"
        console.warn(f"{counts.rejects:,} {rows} could not be read; {folder.rejects} has each with line and reason")
    for problem in result.too_many:
        console.warn(problem)
    if counts.images:
        console.say(_next(config))


def _next(config: PackConfig) -> str:
    """The next command: check the catalogue with the packed images."""
    if not config.manifest:
        return next_line(config, "check", "--manifest", UNKNOWN, "--images", config.out)
    packed: dict[str, object] = {
        "images": config.out,
        "images_root": None,
        "allow_http": False,
        "allow_private_hosts": [],
    }
    return next_on_catalogue(config.model_copy(update=packed), "check")


def _rows(config: PackConfig, result: PackResult) -> list[tuple[str, int]]:
    counts = result.counts
    return [
        ("rows read" if config.manifest else "images in the folder", counts.rows),
        ("  items packed", counts.items - counts.items_failed),
        ("  items without a readable image", counts.items_failed),
        *([("  further rows of items", counts.further)] if counts.further else []),
        ("  rejected", counts.rejects),
        *((f"    {reason}", n) for reason, n in counts.reject_reasons.items()),
        ("images packed", counts.images),
        ("images that could not be read", sum(counts.failed.values())),
        *((f"  {code}", n) for code, n in counts.failed.items()),
        ("files", counts.shards),
    ]


if __name__ == "__main__":
    from tagger.jobs.shell.cli import main

    main(job="pack")
