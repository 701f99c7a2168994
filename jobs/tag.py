"""The tag command: tags a catalogue with a bundle; writes predictions with confidences, rejects and counts."""

from tagger.errors import HoldError
from tagger.jobs.shell.console import Console
from tagger.jobs.shell.outcome import DONE, TOO_MANY_FAILED
from tagger.jobs.steps import tag_report
from tagger.schemas.configs.tag import TagConfig
from tagger.workflows.tag import tag


def run(config: TagConfig, console: Console) -> int:
    """Tag a catalogue into a run directory; a repeated command resumes."""
    result = tag(config, console)
    tag_report.show(config, console, result)
    console.result(tag_report.document_of(config, result))
    if result.too_many:
        return TOO_MANY_FAILED
    if result.is_held:
        return HoldError.exit_code
    return DONE if result.counts.predictions else config.exit_if_nothing or DONE


if __name__ == "__main__":
    from tagger.jobs.shell.cli import main

    main(job="tag")
