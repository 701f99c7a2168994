"""The tune command: searches a space of settings; writes a leaderboard and the best recipe."""

import json

from tagger.jobs.shell.console import Console
from tagger.jobs.shell.figures import percent
from tagger.jobs.shell.next_command import next_on_catalogue
from tagger.schemas.configs.train import TuneConfig
from tagger.training.leaderboard import FIGURES, in_words
from tagger.workflows.tune import LEADERBOARD, TuneResult, tune

_SHOWN = 10
_NO_SETTINGS = {"rank", *FIGURES, "epochs_run", "seconds", "error"}


def run(config: TuneConfig, console: Console) -> int:
    """Try the settings of a space; a repeated command resumes."""
    _show(config, console, tune(config, console))
    return 0


def _show(config: TuneConfig, console: Console, result: TuneResult) -> None:
    table = result.leaderboard
    varied = [str(name) for name in table.columns if name not in _NO_SETTINGS]
    rows = [
        (
            int(row["rank"]),
            percent(row["val_accuracy"], 2),
            _cell(row["val_macro_f1"]),
            percent(row["val_master_accuracy"], 2),
            in_words({n: row[n] for n in varied}),
        )
        for row in table.head(_SHOWN).to_dict("records")
    ]
    columns = ["rank", "accuracy", "macro F1", "master", "settings"]
    console.table(f"The best of {len(table):,} trials, on val", columns, rows)
    failed = int(table["epochs_run"].eq(0).sum())
    if failed:
        console.warn(f"{failed:,} trials failed; {LEADERBOARD} says why")
    console.say(f"Leaderboard: {result.folder / LEADERBOARD}")
    console.say(f"Best recipe: {result.best_recipe}")
    console.say(
        next_on_catalogue(config, "train", "--recipe", str(result.best_recipe), "--out", f"{result.folder}-bundle")
    )
    console.result({"out": str(result.folder), "trials": json.loads(table.to_json(orient="records"))})


def _cell(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    from tagger.jobs.shell.cli import main

    main(job="tune")
