"""Output of the duplicates command about planted copies: recall, and precision of the pairs."""

from dataclasses import asdict

from tagger.deduplication.planted import Counts, Trial
from tagger.jobs.shell.console import Console
from tagger.jobs.shell.figures import percent
from tagger.schemas.configs.similarity import DuplicatesConfig


def say_of_planted(config: DuplicatesConfig, console: Console, trial: Trial) -> None:
    """Print the results of a trial, by kind of copy and by threshold."""
    console.table(
        f"Altered copies of {trial.origins:,} of {trial.images:,} images, at --structure "
        f"{config.structure:g} and --colour {config.colour:g}",
        ["copies", "planted", "found", "pairs", "precision"],
        [(name, c.copies, percent(c.recall), c.pairs, percent(c.precision)) for name, c in trial.kinds.items()],
    )
    console.table(
        "At other thresholds",
        ["--structure", "found", "pairs", "precision"],
        [(f"{at:.2f}", percent(c.recall), c.pairs, percent(c.precision)) for at, c in trial.thresholds.items()],
    )
    console.say(
        "A pair of a copy and an own image is right where that image and the copy's origin count as one picture by "
        "--structure and --colour, too. How right those pairs are, people can judge: on the page that --out writes."
    )
    console.result(
        {
            "plant": trial.origins,
            "images": trial.images,
            "kinds": [{"kind": name, **_figures(counts)} for name, counts in trial.kinds.items()],
            "thresholds": [{"structure": at, **_figures(counts)} for at, counts in trial.thresholds.items()],
        }
    )


def _figures(counts: Counts) -> dict[str, object]:
    return {**asdict(counts), "recall": counts.recall, "precision": counts.precision}
