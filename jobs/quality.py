"""Quality job: runs with a QA sample and what people said of it in; the precision of accepted tags out."""

import os
from collections.abc import Iterator

import pandas as pd

from tagger.confidence.qa_sample import SAMPLED, Precision, each_once, sample_answers
from tagger.decisions.final_tags import newest_by_id
from tagger.decisions.read import DATABASE, decisions_of
from tagger.errors import InputError, UsageError
from tagger.exports.csv import harmless
from tagger.io.location import Location
from tagger.jobs.shell.console import Console
from tagger.runs.ledger import LedgerEntry, newest_first, read_ledger
from tagger.schemas.configs.confidence import QualityConfig
from tagger.schemas.documents.taxonomy import Level

_CLASSES_SHOWN = 15


def run(config: QualityConfig, console: Console) -> int:
    """Say how precise the accepted tags of some runs are, by level and class, against the target."""
    places = [Location(name, config.s3_endpoint, config.s3_region) for name in config.runs]
    runs = newest_first([entry for place in places for entry in read_ledger(place, f"RUN {place}")])
    database = config.database or os.environ.get(DATABASE)
    drawn = [_answers(entry, database) for entry in runs if entry.done] or [sample_answers([], {})]
    answers = each_once(pd.concat(drawn, ignore_index=True))
    if answers.empty:
        raise InputError("RUN: none of these runs has a QA sample; tagger tag --qa-sample 0.01 draws one")
    targets = config.target_precision or _targets(runs)
    levels = {level: _precision(answers[answers["level"] == level], config.probability) for level in Level}
    table = _by_class(answers, config.probability)
    percent = f"{100 * config.probability:g}%"
    console.table(
        f"Precision of accepted tags, from the QA sample of {len(runs)} {'run' if len(runs) == 1 else 'runs'}",
        ["level", "drawn", "answered", "right", "right %", f"{percent} between", "and", "target %", "is"],
        [_row(str(level), found, targets.get(level)) for level, found in levels.items()],
    )
    doubtful = table[table["answered"] > 0].sort_values(["highest", "answered"]).head(_CLASSES_SHOWN)
    if len(doubtful):
        console.table(
            "The least precise classes among those",
            ["level", "class", "answered", "right", f"{percent} between", "and"],
            [
                (r.level, r["class"], r.answered, r.right, _percent(r.lowest), _percent(r.highest))
                for _, r in doubtful.iterrows()
            ],
        )
    waiting = answers.loc[answers["waiting"], "id"].nunique()
    if waiting:
        console.say(f"{waiting:,} items of the sample still wait: tagger review --run RUN, with the filter qa_sample.")
    if config.out:
        _write(table, Location(config.out, config.s3_endpoint, config.s3_region), console)
    console.result(
        {
            "runs": len(runs),
            "levels": {
                str(level): {
                    "drawn": p.sampled, "answered": p.answered, "right": p.right, "precision": p.share,
                    "lowest": p.lowest, "highest": p.highest, "target": targets.get(level),
                    "is": p.against(targets.get(level)),
                }
                for level, p in levels.items()
            },
            "classes": table.to_dict("records"),
        }
    )  # fmt: skip
    return 0


def _answers(entry: LedgerEntry, database: str | None) -> pd.DataFrame:
    decided = newest_by_id(decisions_of(entry.directory, database))
    return sample_answers(entry.directory.batches(SAMPLED), decided)


def _targets(runs: list[LedgerEntry]) -> dict[Level, float]:
    """What the newest run promised."""
    promised = next((entry.record.target_precision for entry in runs if entry.record.target_precision), {})
    return {Level(name): target for name, target in promised.items()}


def _precision(answers: pd.DataFrame, probability: float) -> Precision:
    answered = answers[answers["answered"]]
    return Precision.of(answered["right"].to_numpy(bool), len(answers), probability)


def _by_class(answers: pd.DataFrame, probability: float) -> pd.DataFrame:
    def rows() -> Iterator[dict[str, object]]:
        for (level, name), group in answers.groupby(["level", "class"]):
            found = _precision(group, probability)
            yield {
                "level": level, "class": name, "drawn": found.sampled, "answered": found.answered,
                "right": found.right, "lowest": found.lowest, "highest": found.highest,
            }  # fmt: skip

    return pd.DataFrame(list(rows()))


def _write(table: pd.DataFrame, target: Location, console: Console) -> None:
    if target.is_dir():
        raise UsageError(f"--out: {target} is a folder; name a file, such as {target}/quality.csv")
    target.write_text(table.assign(**{"class": table["class"].map(harmless)}).to_csv(index=False))
    console.say(f"By class: {target}")


def _row(name: str, found: Precision, target: float | None) -> tuple[object, ...]:
    return (
        name, found.sampled, found.answered, found.right, _percent(found.share), _percent(found.lowest),
        _percent(found.highest), "" if target is None else f"{100 * target:g}", found.against(target),
    )  # fmt: skip


def _percent(value: float | None) -> str:
    return "" if value is None or pd.isna(value) else f"{100 * value:.1f}"


if __name__ == "__main__":
    from tagger.jobs.shell.cli import main

    main(job="quality")
