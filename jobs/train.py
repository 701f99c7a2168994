"""The train command: trains a bundle on a manifest and images."""

from tagger.confidence.target import lower_bound
from tagger.dataset.splits import SPLITS
from tagger.jobs.shell.console import Console
from tagger.jobs.shell.next_command import TARGETS, next_on_catalogue, next_policy
from tagger.jobs.steps import attributes_report, evidence_report
from tagger.schemas.configs.confidence import PolicyConfig
from tagger.schemas.configs.train import TrainConfig
from tagger.workflows.train import TrainResult, train


def run(config: TrainConfig, console: Console) -> int:
    """Train a bundle; a repeated command resumes."""
    result = train(config, console)
    _show(config, console, result)
    return 0


def _show(config: TrainConfig, console: Console, result: TrainResult) -> None:
    model_id = result.card.model_id
    alone = ", by the image alone" if result.evidence else ""
    console.metrics(f"Test metrics of {model_id}{alone}", result.metrics)
    if result.evidence:
        evidence_report.show(console, result.evidence)
    if result.attributes:
        attributes_report.show(console, result.attributes)
    console.say(f"Bundle: {result.folder}")
    console.say(f"Report: {result.report}")
    console.say(next_after(config, result))
    console.result(
        {
            "bundle": str(result.folder),
            "modelId": model_id,
            "metrics": result.metrics.model_dump(mode="json", by_alias=True),
            **({"evidence": evidence_report.rows_of(result.evidence)} if result.evidence else {}),
            **({"attributes": attributes_report.documents(result.attributes)} if result.attributes else {}),
        }
    )


def next_after(config: TrainConfig, result: TrainResult) -> str:
    """The next command: a policy where the control items are enough to show its target, else tag."""
    control = result.card.provenance.split_items.get(SPLITS[-1], 0)
    shown = lower_bound(control, control, PolicyConfig.model_fields["probability"].default) or 0.0
    if shown >= max(TARGETS.values()):
        return next_policy(config, str(result.folder))
    return next_on_catalogue(config, "tag", "--model", str(result.folder), "--out", f"{result.folder}-run")


if __name__ == "__main__":
    from tagger.jobs.shell.cli import main

    main(job="train")
