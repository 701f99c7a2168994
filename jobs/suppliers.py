"""The suppliers command: scores what suppliers, brands or seasons deliver, with a page for each to send."""

from tagger.evaluation.shares import percent
from tagger.jobs.shell.console import Console
from tagger.schemas.configs.suppliers import SuppliersConfig
from tagger.workflows.suppliers import GROUPS, OVERVIEW, PAGES, SuppliersResult, score_suppliers

_SHOWN = 15


def run(config: SuppliersConfig, console: Console) -> int:
    """Score the groups, and say which have most to mend."""
    result = score_suppliers(config, console)
    _say(config, console, result)
    console.result(
        {
            "out": str(result.out), "items": result.items, "sent": dict(result.sent),
            "groups": result.scores.groups.astype(object).where(result.scores.groups.notna(), None).to_dict("records"),
        }
    )  # fmt: skip
    return 0


def _say(config: SuppliersConfig, console: Console, result: SuppliersResult) -> None:
    groups = result.scores.groups
    worst = groups.head(_SHOWN)
    console.table(
        f"{result.items:,} items by {config.by}, those first that surely have most unusable pictures",
        [config.by, "items", "unusable", "missing", "broken", "blurry", "shared", "labels wrong", "minutes", "trend"],
        [
            (
                row["group"], row["items"], percent(row["unusable"] / row["items"], row["items"]),
                row["missing"], row["broken"],
                row["blurry"], row["shared"],
                f"{row['labels_wrong']} of {row['labels_judged']}" if row["labels_judged"] else "–",
                "–" if row["minutes"] != row["minutes"] else f"{row['minutes']:.3g}", row["trend"],
            )
            for row in worst.to_dict("records")
        ],
    )  # fmt: skip
    if len(groups) > _SHOWN:
        console.say(f"and {len(groups) - _SHOWN:,} more, in {result.out / GROUPS}")
    console.say(f"Page: {result.out / OVERVIEW}")
    if result.sent:
        console.say(f"To send, a page and a table for each {config.by}: {result.out / PAGES}")
    if result.left_out:
        console.say(f"{result.left_out:,} more have something to mend; --pages {len(result.sent) + result.left_out}")


if __name__ == "__main__":
    from tagger.jobs.shell.cli import main

    main(job="suppliers")
