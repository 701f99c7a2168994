"""The attributes command: teaches a bundle further tags, such as gender or colour, and measures them."""

from tagger.jobs.shell.console import Console
from tagger.jobs.shell.next_command import next_policy
from tagger.jobs.steps import attributes_report
from tagger.schemas.configs.confidence import AttributesConfig
from tagger.workflows.attributes import attributes


def run(config: AttributesConfig, console: Console) -> int:
    """Fit the attributes to the bundle's training items, and measure them on test."""
    result = attributes(config, console)
    attributes_report.show(console, result)
    console.say(f"The bundle knows {', '.join(result.model.names)} now; tagger tag predicts them, too.")
    console.result(attributes_report.documents(result))
    console.say(next_policy(config, config.model))
    return 0


if __name__ == "__main__":
    from tagger.jobs.shell.cli import main

    main(job="attributes")
