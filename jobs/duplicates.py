"""The duplicates command: finds groups of items that show one picture, as Parquet and as a page."""

from tagger.deduplication.judged import PROBABILITY
from tagger.jobs.shell.console import Console
from tagger.jobs.shell.figures import percent
from tagger.jobs.shell.next_command import next_line, next_on_catalogue
from tagger.jobs.shell.outcome import DONE, TOO_MANY_FAILED
from tagger.jobs.steps.planted_report import say_of_planted
from tagger.schemas.configs.similarity import DuplicatesConfig
from tagger.schemas.tables.duplicate import Sameness
from tagger.workflows.duplicates import (
    PAGE,
    DuplicatesResult,
    JudgedPairs,
    duplicates,
    try_planted_copies,
)

_IN_WORDS = {
    Sameness.REPRESENTATIVE: "representative, one a group",
    Sameness.EXACT: "the very file of the representative",
    Sameness.NEAR: "its picture in another file",
    Sameness.MIRRORED: "its mirror image",
    Sameness.CONNECTED: "like another copy in the group",
}


def run(config: DuplicatesConfig, console: Console) -> int:
    """Find pairs of similar images, compare them closely, and group their items."""
    if config.plant:
        say_of_planted(config, console, try_planted_copies(config, console))
        out = f"{config.index.rstrip('/')}-duplicates"
        console.say(next_on_catalogue(config, "duplicates", config.index, "--out", out))
        return DONE
    result = duplicates(config, console)
    document = _say(console, result)
    if result.judged:
        document |= _say_of_judged(console, result.judged)
    if result.split:
        _say_of_split(console, result)
    console.say(f"Page: {result.out / PAGE}")
    shop = ["--manifest", config.manifest, *(["--images", config.images] if config.images else [])]
    groups = ["--duplicates", str(result.out)]
    console.say(next_line(config, "audit", config.index, *shop, *groups, "--out", f"{result.out}-audit"))
    console.result(document)
    return TOO_MANY_FAILED if result.too_many_unread else DONE


def _say(console: Console, result: DuplicatesResult) -> dict[str, object]:
    """Print the results; return them for JSON."""
    kinds, items = result.kinds, len(result.groups)
    count = kinds.get(Sameness.REPRESENTATIVE, 0)
    pairs, same = len(result.pairs), int(result.pairs["same"].sum())
    console.say(f"{items:,} items are in {count:,} groups of two and more, each of which shows one picture.")
    if items:
        console.table(
            f"The items of the {count:,} groups",
            ["image", "items"],
            [(words, kinds[kind]) for kind, words in _IN_WORDS.items() if kind in kinds],
        )
        console.say(f"{result.conflicts:,} of the {count:,} groups have items with different labels.")
    console.say(
        f"Groups are made of identical files, and of pairs of different files: {pairs:,} such pairs that look alike "
        f"were compared closely, and {same:,} of them show one picture."
    )
    return {
        "out": str(result.out), "groups": count, "items": items, "conflicts": result.conflicts, "pairs": pairs,
        "same": same, "unread": int(result.pairs["structure"].isna().sum()), "images": result.images,
        "unreadImages": result.unread,
    }  # fmt: skip


def _say_of_split(console: Console, result: DuplicatesResult) -> None:
    """Print how many test items have a copy among the train items, and how much better they are predicted."""
    split = result.split
    if split is None:
        return
    rows = {
        "with a copy among the train items": split.with_copy,
        "without one": split.without_copy,
        "all": split.overall,
    }
    console.table(
        "Test items of the bundle",
        ["what", "items", "article type right"],
        [(what, r.items, percent(r.share, 2)) for what, r in rows.items()],
    )


def _say_of_judged(console: Console, judged: JudgedPairs) -> dict[str, object]:
    """Print the precision of the threshold on judged pairs; return it for JSON."""
    precision = judged.precision
    if precision.lowest is None or precision.highest is None or precision.share is None:
        console.say(f"None of the {judged.pairs:,} judged pairs reaches a structure of {judged.structure:.4g}.")
    else:
        console.say(
            f"Of {precision.answered:,} judged pairs with a structure of {judged.structure:.4g} or more, "
            f"{precision.right:,} are one picture: precision {100 * precision.share:.1f}%, with a probability of "
            f"{100 * PROBABILITY:g}% between {100 * precision.lowest:.1f}% and {100 * precision.highest:.1f}%."
        )
    return {
        "structure": judged.structure,
        "judged": {
            "pairs": judged.pairs, "reaching": precision.answered, "right": precision.right,
            "precision": precision.share, "lowest": precision.lowest, "highest": precision.highest,
        },
    }  # fmt: skip


if __name__ == "__main__":
    from tagger.jobs.shell.cli import main

    main(job="duplicates")
