"""Tune job: labelled items and a space of settings in, a leaderboard and the best recipe out."""

import io
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import yaml
from pydantic import ValidationError

from tagger.cluster.session import compute_cores, gpus, memory, ray_session, wants_gpu
from tagger.dataset.items import LabelledItems
from tagger.errors import UsageError
from tagger.evaluation import plots
from tagger.images.stores import ImageStore
from tagger.io.location import Location
from tagger.jobs.shell.console import Console
from tagger.manifest.manifest import Manifest
from tagger.models.backbones import check_weights
from tagger.schemas.configs.learning import Learning
from tagger.schemas.configs.options import WeightsOptions
from tagger.schemas.configs.search import SearchSpace
from tagger.schemas.configs.train import TrainConfig, TuneConfig
from tagger.schemas.documents.bundle import Provenance
from tagger.training import recipes, spaces
from tagger.training.search_on_ray import TRIALS, Decoded, Search, Trial, hold, key_of, search
from tagger.workflows.holding_out import holds_out
from tagger.workflows.labelled import decode_sides, nothing_left_of_a_refusal, read_learnable, split_labelled
from tagger.workflows.open_catalog import open_catalog, place, versions

LEADERBOARD, PLOT, BEST, ASKED = "leaderboard.csv", "leaderboard.svg", "best.yaml", "search.json"
_TRIAL_BYTES = 2 * 2**30
_NOT_IN_IDENTITY = {"ray_address", "store_concurrency", "http_per_host", "http_timeout", "out", "space", "set"}
_SHOWN = 10


@holds_out
def run(config: TuneConfig, console: Console) -> int:
    """Try the settings of a space; the same command goes on where an earlier one stopped."""
    space = _space(config)
    base = _base(config, space)
    out = place(config.out, config)
    manifest, store = open_catalog(config, console)
    work = out / "_work"
    asked = _asked(config, space, manifest)
    if (out / BEST).exists():
        _refuse_another(asked, out / ASKED, "holds a search")
        console.step(f"{out} holds this search already; nothing to do")
        _say(console, pd.read_csv(io.BytesIO((out / LEADERBOARD).read_bytes())), out)
        return 0
    if (work / ASKED).exists():
        _refuse_another(asked, work / ASKED, "holds an unfinished search")
        console.step("Going on with the trials that are left")
    learning = _learning(base)
    with nothing_left_of_a_refusal(work, work / TRIALS):
        out.check_writable("--out")
        (work / ASKED).write_text(json.dumps(asked))
        learnable = read_learnable(config, config.seed, learning, manifest, store, work, console)
    with ray_session(config, with_data=True):
        items = split_labelled(learnable, store, work, console)
        if config.sample:
            items = items.sample(config.sample, config.seed)
        wanted = _search(config, space, base, items, manifest)
        decoded = _decode(wanted, config, items, store, work, console)
        trials = config.trials or space.combinations
        console.step(f"Trying {trials} settings, {wanted.at_once} at once")
        with console.progress("trials begun", trials) as bar:
            found = search(wanted, decoded, work, lambda now: bar.update(len(now), _best_so_far(now)))
    table = _table(found, space)
    recipe = {"description": f"best of {len(found)} trials of {config.space}", **_dumped(base, found[0].settings)}
    (out / LEADERBOARD).write_text(table.to_csv(index=False))
    (out / PLOT).write_text(plots.search([(_label(t), t.history) for t in found if t.history], learning.monitor))
    (out / ASKED).write_text(json.dumps(asked))
    (out / BEST).write_text(yaml.safe_dump(recipe, sort_keys=False, allow_unicode=True))
    work.delete()
    _say(console, table, out)
    return 0


def _space(config: TuneConfig) -> SearchSpace:
    found = spaces.load(config.space)
    try:
        given = {name: yaml.safe_load(text) for name, text in config.set.items()}
        document = found.model_dump(by_alias=True)
        fixed = {**found.set, **given}
        varied = {name: values for name, values in document["space"].items() if name not in given}
        found = SearchSpace.model_validate({**document, "set": fixed, "space": varied})
    except (yaml.YAMLError, ValidationError) as error:
        raise UsageError(f"--set: {_problem(error)}") from error
    if not config.trials and not found.combinations:
        raise UsageError(f"--space {config.space} has a range; say with --trials how many settings to draw")
    return found


def _base(config: TuneConfig, space: SearchSpace) -> dict[str, Any]:
    """What every trial's TrainConfig has; each value of the space is tried out for whether it goes with it."""
    named = set(TuneConfig.model_fields) - set(WeightsOptions.model_fields)
    shared = {n: getattr(config, n) for n in named if n in TrainConfig.model_fields}
    base = {**space.set, **shared, "recipe": space.recipe}
    for settings in space.probes():
        try:
            config_of_trial = TrainConfig.model_validate({**base, **settings})
            weights = config.weights_of(config_of_trial.model_dump()).get("weights", config_of_trial.weights)
            check_weights(config_of_trial.backbone, weights)
        except ValidationError as error:
            raise UsageError(f"--space {config.space}: {_problem(error)} (with {_words(settings)})") from error
    return base


def _problem(error: Exception) -> str:
    return recipes.first_problem(error) if isinstance(error, ValidationError) else str(error)


def _learning(settings: Mapping[str, Any]) -> Learning:
    """What a trial's settings and their recipe come to."""
    config = TrainConfig.model_validate(settings)
    return Learning.model_validate(config.model_dump(include=set(Learning.model_fields)))


def _dumped(base: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    return _learning({**base, **settings}).model_dump(mode="json")


def _asked(config: TuneConfig, space: SearchSpace, manifest: Manifest) -> dict[str, Any]:
    kept = {n: v for n, v in config.model_dump(mode="json").items() if n not in _NOT_IN_IDENTITY}
    return {**kept, "space": space.model_dump(mode="json", by_alias=True), "manifest": manifest.fingerprint()}


def _refuse_another(asked: Mapping[str, Any], note: Location, holds: str) -> None:
    before = json.loads(note.read_bytes())
    differing = sorted(n for n in {*before, *asked} if before.get(n) != asked.get(n))
    if differing:
        place_of = note.parent if note.parent.name != "_work" else note.parent.parent
        raise UsageError(f"--out: {place_of} {holds} with another {', '.join(differing)}; name a new folder")


def fitting_trials(cores: int, bytes_left: float) -> int:
    """How many trials run at once without a GPU: one a core, as far as the bytes of memory go."""
    return max(1, min(cores, int(bytes_left // _TRIAL_BYTES)))


def _search(
    config: TuneConfig, space: SearchSpace, base: dict[str, Any], items: LabelledItems, manifest: Manifest
) -> Search:
    on_gpu = wants_gpu(config)
    found = compute_cores(config)
    at_once = config.concurrent or (gpus() if on_gpu else fitting_trials(found, memory()))
    provenance = Provenance(
        created_at=datetime.now(UTC),
        config={},
        versions=versions(),
        manifest=manifest.fingerprint(),
        data_fingerprint=items.fingerprint(),
        split_items=items.split_items(),
    )
    return Search(
        base=base,
        space=space,
        weights=WeightsOptions(weights=config.weights),
        trials=config.trials,
        taxonomy=items.taxonomy,
        provenance=provenance,
        at_once=at_once,
        threads=max(1, found // at_once),
        use_gpu=on_gpu,
        stop_bad_trials=config.stop_bad_trials,
        seed=config.seed,
    )


def _decode(
    wanted: Search, config: TuneConfig, items: LabelledItems, store: ImageStore, work: Location, console: Console
) -> dict[str, Decoded]:
    found = {}
    for preprocessing in wanted.preprocessings():
        console.step(f"Decoding images to {preprocessing.height}x{preprocessing.width}")
        sides = ("train", "val")
        images = decode_sides(
            items, store, preprocessing, config.max_pixels, work, console, shuffle=config.seed, sides=sides
        )
        found[key_of(preprocessing)] = hold(images["train"], images["val"], len(items.taxonomy.leaves))
    return found


def _best_so_far(trials: Sequence[Trial]) -> str:
    best = max(trials, key=lambda t: t.score, default=None)
    if best is None or not best.best:
        return ""
    return f"best val accuracy {100 * best.best['val_accuracy']:.2f}% with {_label(best)}"


def _table(trials: Sequence[Trial], space: SearchSpace) -> pd.DataFrame:
    """The leaderboard: one row a trial, the best first."""
    rows = []
    for rank, trial in enumerate(trials, 1):
        figures = {n: trial.best.get(n) for n in ("val_accuracy", "val_macro_f1", "val_master_accuracy", "val_loss")}
        seconds = sum(epoch["seconds"] for epoch in trial.history)
        settings = {n: trial.settings[n] for n in space.space}
        rows.append(
            {
                "rank": rank,
                **settings,
                **figures,
                "epochs_run": len(trial.history),
                "seconds": seconds,
                "error": trial.error,
            }
        )
    return pd.DataFrame(rows)


def _label(trial: Trial) -> str:
    return _words(trial.settings)


def _words(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{n} {v:.3g}" if isinstance(v, float) else f"{n} {v}" for n, v in settings.items())


def _say(console: Console, table: pd.DataFrame, out: Location) -> None:
    figures = ["val_accuracy", "val_macro_f1", "val_master_accuracy", "epochs_run", "seconds"]
    names = [name for name in table.columns if name not in {"rank", "val_loss", "error", *figures}]
    rows = [
        (int(row["rank"]), *(_cell(row[name]) for name in figures[:3]), _words({n: row[n] for n in names}))
        for row in table.head(_SHOWN).to_dict("records")
    ]
    columns = ["rank", "accuracy", "macro F1", "master", "settings"]
    console.table(f"The best of {len(table)} trials, on val", columns, rows)
    failed = int(table["epochs_run"].eq(0).sum())
    if failed:
        console.warn(f"{failed} trials failed; {LEADERBOARD} says why")
    console.say(f"Leaderboard: {out / LEADERBOARD}")
    console.say(f"Best recipe: tagger train --recipe {out / BEST} …")
    console.result({"out": str(out), "trials": json.loads(table.to_json(orient="records"))})


def _cell(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    from tagger.jobs.shell.cli import main

    main(job="tune")
