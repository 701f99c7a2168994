"""The evidence command: teaches a bundle what titles and columns say, and measures it."""

from dataclasses import asdict

from pydantic.alias_generators import to_camel

from tagger.jobs.shell.console import Console
from tagger.jobs.shell.next_command import UNKNOWN, next_line, next_policy
from tagger.jobs.steps import evidence_report
from tagger.models.evidence import FILE, EvidenceModel
from tagger.schemas.configs.confidence import EvidenceConfig
from tagger.workflows.as_flags import catalogue_flags
from tagger.workflows.evidence import evidence
from tagger.workflows.evidence_taught import Objections


def run(config: EvidenceConfig, console: Console) -> int:
    """Fit models of titles and columns to the bundle's training items, weigh them on val, and measure them on test."""
    result = evidence(config, console)
    evidence_report.show(console, result)
    rows = evidence_report.rows_of(result)
    knows = _known(result.model)
    document: dict[str, object] = {"items": result.items, **knows, "by": rows}
    if result.objections:
        _say_objections(config, console, result.objections)
        document |= {to_camel(name): items for name, items in asdict(result.objections).items()}
    joins = result.model.joins_images
    use = "tagger tag uses them" if joins else "tagger tag --evidence check asks titles"
    said = " and ".join(
        f"{number:,} {name.removesuffix('s' * (number == 1))}" for name, number in knows.items() if number
    )
    console.say(f"The bundle knows {said} now ({FILE}); {use}.")
    console.result(document)
    if joins:
        console.say(next_policy(config, config.model))
        return 0
    words = ["--model", config.model, *(["--evidence", "check"] if config.title else []), "--out", "run-titles"]
    catalogue = {"images": UNKNOWN, **config.model_dump()}
    console.say(next_line(config, "tag", *catalogue_flags(catalogue), *words))
    return 0


def _known(model: EvidenceModel) -> dict[str, int]:
    """How much of titles and columns a bundle knows."""
    return {
        "words": len(model.titles.words) if model.titles else 0,
        "columns": len(model.columns.columns) if model.columns else 0,
    }


def _say_objections(config: EvidenceConfig, console: Console, objections: Objections) -> None:
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

    main(job="evidence")
