"""The rollback command: takes a run's values back."""

from tagger.jobs.shell.console import Console
from tagger.schemas.configs.export import RollbackConfig
from tagger.workflows.rollback import LEFT_ALONE, RollbackResult, rollback

_MOST_ROWS = 15


def run(config: RollbackConfig, console: Console) -> int:
    """Take the values back, and say what stays."""
    _say(config, console, rollback(config, console))
    return 0


def _say(config: RollbackConfig, console: Console, result: RollbackResult) -> None:
    report = result.report
    would = "would no longer count" if config.dry_run else "no longer count"
    if result.is_run_rolled_back:
        console.say(f"The predictions of {result.run.name} {would}; what people decided does.")
    if result.target:
        verb = "would be restored" if config.dry_run else "are restored"
        console.table(
            f"{report.products:,} of {result.products:,} products {verb}",
            ["field", "goes", "is there again", "products"],
            [(*name, count) for name, count in report.restored.most_common(_MOST_ROWS)],
        )
        if report.left_alone:
            stay = "value stays" if len(report.left_alone) == 1 else "values stay"
            console.table(
                f"{len(report.left_alone):,} {stay}, because somebody has made a change since",
                ["product", "field", "exported", "now"],
                report.left_alone[:_MOST_ROWS],
            )
            if result.out:
                console.say(f"All of them: {result.out / LEFT_ALONE}")
        if report.gone:
            console.warn(f"{len(report.gone):,} products are no longer there, such as {report.gone[0]}")
        for file in result.files:
            console.say(f"  {file.name}: {file.rows:,} {'row' if file.rows == 1 else 'rows'}")
    elif result.exports:
        console.warn(
            f"{result.exports} of its exports changed {result.products:,} products, which stay as they are; --current "
            "and --out write what restores them"
        )
    console.result(
        {
            "run": str(result.run),
            "rolledBack": result.is_run_rolled_back and not config.dry_run,
            "exports": result.exports,
            "changedProducts": result.products,
            "restoredProducts": report.products,
            "restored": [
                {"field": heading, "goes": gone, "back": back, "products": count}
                for (heading, gone, back), count in report.restored.most_common()
            ],
            "leftAlone": [
                dict(zip(("key", "field", "exported", "now"), row, strict=True)) for row in report.left_alone
            ],
            "gone": report.gone,
            "files": {file.name: file.rows for file in result.files},
            "out": str(result.out) if result.out else None,
        }
    )
    if result.files:
        console.say(f"Next: import the files of {result.out}. {result.how}")


if __name__ == "__main__":
    from tagger.jobs.shell.cli import main

    main(job="rollback")
