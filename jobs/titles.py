"""The titles command: fits a bundle's title model, and measures it."""

from dataclasses import asdict

from pydantic.alias_generators import to_camel

from tagger.jobs.shell.console import Console
from tagger.jobs.shell.next_command import UNKNOWN, next_line
from tagger.jobs.steps import titles_report
from tagger.models.titles import FILE
from tagger.schemas.configs.confidence import TitlesConfig
from tagger.workflows.as_flags import catalogue_flags
from tagger.workflows.titles import titles
from tagger.workflows.titles_taught import Objections


def run(config: TitlesConfig, console: Console) -> int:
    """Fit a title model to the bundle's training items, calibrate it on val, and measure it on test."""
    result = titles(config, console)
    titles_report.show(console, result)
    rows = titles_report.rows_of(result)
    document: dict[str, object] = {"items": result.items, "words": len(result.model.words), "by": rows}
    if result.objections:
        _say_objections(config, console, result.objections)
        document |= {to_camel(name): items for name, items in asdict(result.objections).items()}
    known = len(result.model.words)
    use = "tagger tag uses them" if result.model.weights else "tagger tag --titles check asks them"
    console.say(f"The bundle knows {known:,} words of titles now ({FILE}); {use}.")
    console.result(document)
    if result.model.weights:
        console.say(
            next_line(config, "policy", config.model, "--target-precision", "articleType=0.95,masterCategory=0.98")
        )
        return 0
    words = ["--model", config.model, "--titles", "check", "--out", "run-titles"]
    catalogue = {"images": UNKNOWN, **config.model_dump()}
    console.say(next_line(config, "tag", *catalogue_flags(catalogue), *words))
    return 0


def _say_objections(config: TitlesConfig, console: Console, objections: Objections) -> None:
    console.say(
        f"Of {objections.confident:,} test items that the image is at least {100 * config.surely:g}% sure of, "
        f"{objections.wrong:,} are wrong; a title that is as sure objects to {objections.objected:,}, "
        f"of which {objections.caught:,} are wrong."
    )
    console.say(
        f"Of the image's {objections.mistakes:,} mistakes, "
        f"the title agrees with it in {objections.title_sides_with_image:,}: there the label may be what is wrong."
    )


if __name__ == "__main__":
    from tagger.jobs.shell.cli import main

    main(job="titles")
