"""The compare command: two runs, or two bundles on a sample, side by side."""

from tagger.comparing.pairs import ARTICLE, NEW, OLD
from tagger.jobs.shell.console import Console
from tagger.jobs.shell.figures import percent
from tagger.jobs.shell.next_command import next_line
from tagger.schemas.configs.compare import CompareConfig
from tagger.workflows.compare import PAGE, CompareResult, compare, document_of

_MOST_MOVES = 12


def run(config: CompareConfig, console: Console) -> int:
    """Say what changes from the old to the new one."""
    result = compare(config, console)
    _say(config, console, result)
    return 0


def _say(config: CompareConfig, console: Console, result: CompareResult) -> None:
    tagged = len(result.pairs.tagged)
    console.say(
        f"Of {tagged:,} items that both tag, {percent(result.article_agreement, 1)} have the same article type, and "
        f"{percent(result.master_agreement, 1)} the same master category."
    )
    names = [str(name).replace("_", " ") for name in result.decisions.columns]
    counts = result.decisions.to_numpy().tolist()
    console.table(
        "What is decided without a person",
        ["old", *(f"new: {name}" for name in names)],
        [(old, *row) for old, row in zip(names, counts, strict=True)],
    )
    console.table(
        f"{int(result.moves['items'].sum()):,} article types change; what both models together expect to be right",
        ["old", "new", "items", "the new one accepts", "old right", "new right"],
        [
            (
                row[f"{OLD}.{ARTICLE}"], row[f"{NEW}.{ARTICLE}"], int(row["items"]), int(row["accepted"]),
                percent(row["old_right"] / row["items"], 0), percent(row["new_right"] / row["items"], 0),
            )
            for row in result.moves.head(_MOST_MOVES).to_dict("records")
        ],
    )  # fmt: skip
    if result.truth:
        truth = result.truth
        console.say(
            f"Of {truth.items:,} items whose type is known ({result.truth_source}), the old one alone is right on "
            f"{truth.only_old:,}, the new one alone on {truth.only_new:,}, both on {truth.both:,}, neither on "
            f"{truth.neither:,}. By chance, so uneven a division has a probability of {truth.p:.2g} (McNemar, exact)."
        )
    judged = result.judged
    if judged.judged:
        console.say(
            f"Of {judged.judged:,} judged disagreements, the new one was right on {judged.new:,}, the old one on "
            f"{judged.old:,}, neither on {judged.neither:,}; {judged.unclear:,} were unclear."
        )
    console.say(f"Page: {result.out / PAGE}")
    console.result(document_of(result))
    if result.to_judge > judged.judged:
        console.say(f"{result.to_judge - judged.judged} disagreements wait to be judged; then run this command again.")
        console.say(next_line(config, "review", "--run", str(result.judge)))


if __name__ == "__main__":
    from tagger.jobs.shell.cli import main

    main(job="compare")
