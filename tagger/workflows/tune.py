"""Searches for a recipe: tries settings of a search space, and writes a leaderboard and the best recipe."""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import yaml
from pydantic import ValidationError

from tagger.cluster.session import compute_cores, gpu_count, memory_bytes, ray_session, wants_gpu
from tagger.dataset.items import LabelledItems
from tagger.errors import UsageError
from tagger.evaluation import plots
from tagger.images.stores import ImageStore
from tagger.io.location import Location
from tagger.machine import threads_of_environment
from tagger.manifest.manifest import Manifest
from tagger.models.backbones import check_weights
from tagger.reporter import LOG, Reporter
from tagger.schemas.configs.learning import Learning
from tagger.schemas.configs.options import WeightsOptions
from tagger.schemas.configs.search import SearchSpace
from tagger.schemas.configs.train import TrainConfig, TuneConfig
from tagger.schemas.documents.bundle import Provenance
from tagger.training import recipes, spaces
from tagger.training.leaderboard import best_so_far, in_words, leaderboard
from tagger.training.progress import Trial
from tagger.training.search_on_ray import TRIALS, DecodedSides, Search, hold, key_of, search
from tagger.workflows.folder_locks import locks_out
from tagger.workflows.labelled import clean_up_if_refused, decode_sides, read_learnable, split_labelled
from tagger.workflows.open_catalog import open_catalog, resolve_location, versions

LEADERBOARD, PLOT, BEST, ASKED = "leaderboard.csv", "leaderboard.svg", "best.yaml", "search.json"
_TRIAL_BYTES = 2 * 2**30
_NOT_IN_IDENTITY = {"ray_address", "store_concurrency", "http_per_host", "http_timeout", "out", "space", "set"}


@dataclass(frozen=True)
class TuneResult:
    """A finished search: its files, and the results of its trials."""

    folder: Location
    leaderboard: pd.DataFrame
    """One row per trial, the best first: rank, the settings of the space, val_accuracy, val_macro_f1,
    val_master_accuracy and val_loss of its best epoch, epochs_run, seconds, error."""

    @property
    def best_recipe(self) -> Location:
        """The best trial's settings as a recipe, a YAML file."""
        return self.folder / BEST


@locks_out
def tune(config: TuneConfig, reporter: Reporter = LOG) -> TuneResult:
    """Train with many settings of a recipe, and keep the best on val; a repeated call resumes.

    No trial sees the test items; train with the best recipe to measure it on them.

    Args:
        config: The catalogue, the space of settings, and `out`, the folder of leaderboard and best recipe.
        reporter: Where steps, warnings and progress go.

    Returns:
        The leaderboard and the best recipe in `config.out`; at once if this search has finished.

    Raises:
        UsageError: for a wrong path or space, incompatible settings, and when `out` holds another search.
        InputError: when there are too few labelled items.
        TaggerError: when every trial failed.

    Example::

        from tagger.schemas.configs.train import TuneConfig
        from tagger.workflows.tune import tune

        result = tune(TuneConfig(manifest="styles.csv", images="images/", space="space.yaml", out="search"))
        print(result.leaderboard.head())
    """
    space = _space(config)
    base = _base(config, space)
    out = resolve_location(config.out, config)
    manifest, store = open_catalog(config, reporter)
    work = out / "_work"
    identity = _identity(config, space, manifest)
    if (out / BEST).exists():
        return _searched_before(out, identity, reporter)
    if (work / ASKED).exists():
        _refuse_another(identity, work / ASKED, f"{out} holds an unfinished search")
        reporter.step("Going on with the trials that are left")
    learning = _learning(base)
    with clean_up_if_refused(work, work / TRIALS):
        out.check_writable("--out")
        (work / ASKED).write_text(json.dumps(identity))
        learnable = read_learnable(config, config.seed, learning, manifest, store, work, reporter)
    with ray_session(config, with_data=True):
        items = split_labelled(learnable, store, work, reporter)
        if config.sample:
            items = items.sample(config.sample, config.seed)
        plan = _search(config, space, base, items, manifest)
        trials = _try(plan, config, items, store, work, reporter)
    table = leaderboard(trials, list(space.space))
    recipe = {"description": f"best of {len(trials)} trials of {config.space}", **_dumped(base, trials[0].settings)}
    histories = [(in_words(trial.settings), trial.history) for trial in trials if trial.history]
    (out / LEADERBOARD).write_text(table.to_csv(index=False))
    (out / PLOT).write_text(plots.search(histories, learning.monitor))
    (out / ASKED).write_text(json.dumps(identity))
    (out / BEST).write_text(yaml.safe_dump(recipe, sort_keys=False, allow_unicode=True))
    work.delete()
    return TuneResult(out, table)


def _searched_before(out: Location, identity: Mapping[str, Any], reporter: Reporter) -> TuneResult:
    """The folder's finished search. Raises UsageError when it is another search."""
    _refuse_another(identity, out / ASKED, f"{out} holds a search")
    reporter.step(f"{out} holds this search already; nothing to do")
    return TuneResult(out, pd.read_csv(io.BytesIO((out / LEADERBOARD).read_bytes())))


def _try(
    plan: Search, config: TuneConfig, items: LabelledItems, store: ImageStore, work: Location, reporter: Reporter
) -> list[Trial]:
    """Decode the images for each preprocessing of the space, and run the trials; return the best first."""
    decoded = _decode(plan, config, items, store, work, reporter)
    count = config.trials or plan.space.combinations
    reporter.step(f"Trying {count:,} settings, {plan.at_once} at once")
    with reporter.progress("trials begun", count) as bar:
        return search(plan, decoded, work, lambda now: bar.update(len(now), best_so_far(now)))


def _space(config: TuneConfig) -> SearchSpace:
    """The search space, with the settings that --set fixes. Raises UsageError."""
    space = spaces.load(config.space)
    try:
        given = {name: yaml.safe_load(text) for name, text in config.set.items()}
        document = space.model_dump(by_alias=True)
        fixed = {**space.set, **given}
        varied = {name: values for name, values in document["space"].items() if name not in given}
        space = SearchSpace.model_validate({**document, "set": fixed, "space": varied})
    except (yaml.YAMLError, ValidationError) as error:
        raise UsageError(f"--set: {_problem(error)}") from error
    if not config.trials and not space.combinations:
        raise UsageError(f"--space {config.space} has a range; say with --trials how many settings to draw")
    return space


def _base(config: TuneConfig, space: SearchSpace) -> dict[str, Any]:
    """The settings that all trials share; checks that each value of the space is compatible with them."""
    named = set(TuneConfig.model_fields) - set(WeightsOptions.model_fields)
    shared = {n: getattr(config, n) for n in named if n in TrainConfig.model_fields}
    base = {**space.set, **shared, "recipe": space.recipe}
    for settings in space.probes():
        try:
            config_of_trial = TrainConfig.model_validate({**base, **settings})
            weights = config.weights_of(config_of_trial.model_dump()).get("weights", config_of_trial.weights)
            check_weights(config_of_trial.backbone, weights)
        except ValidationError as error:
            raise UsageError(f"--space {config.space}: {_problem(error)} (with {in_words(settings)})") from error
    return base


def _problem(error: Exception) -> str:
    return recipes.first_problem(error) if isinstance(error, ValidationError) else str(error)


def _learning(settings: Mapping[str, Any]) -> Learning:
    """A trial's settings, merged with their recipe."""
    config = TrainConfig.model_validate(settings)
    return Learning.model_validate(config.model_dump(include=set(Learning.model_fields)))


def _dumped(base: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    return _learning({**base, **settings}).model_dump(mode="json")


def _identity(config: TuneConfig, space: SearchSpace, manifest: Manifest) -> dict[str, Any]:
    settings = {n: v for n, v in config.model_dump(mode="json").items() if n not in _NOT_IN_IDENTITY}
    return {**settings, "space": space.model_dump(mode="json", by_alias=True), "manifest": manifest.fingerprint()}


def _refuse_another(identity: Mapping[str, Any], note: Location, holds: str) -> None:
    before = json.loads(note.read_bytes())
    differing = sorted(n for n in {*before, *identity} if before.get(n) != identity.get(n))
    if differing:
        raise UsageError(f"--out: {holds} with another {', '.join(differing)}; name a new folder")


def fitting_trials(cores: int, bytes_left: float) -> int:
    """How many trials run at once without a GPU: one per core, limited by memory in bytes."""
    return max(1, min(cores, int(bytes_left // _TRIAL_BYTES)))


def _search(
    config: TuneConfig, space: SearchSpace, base: dict[str, Any], items: LabelledItems, manifest: Manifest
) -> Search:
    on_gpu = wants_gpu(config)
    cores = compute_cores(config)
    threads = threads_of_environment() or cores
    at_once = config.concurrent or (gpu_count() if on_gpu else fitting_trials(cores, memory_bytes()))
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
        threads=min(threads, max(1, cores // at_once)),
        use_gpu=on_gpu,
        stop_bad_trials=config.stop_bad_trials,
        seed=config.seed,
    )


def _decode(
    plan: Search, config: TuneConfig, items: LabelledItems, store: ImageStore, work: Location, reporter: Reporter
) -> dict[str, DecodedSides]:
    decoded = {}
    for preprocessing in plan.preprocessings():
        reporter.step(f"Decoding images to {preprocessing.height}x{preprocessing.width}")
        sides = ("train", "val")
        images = decode_sides(items, store, preprocessing, config.max_pixels, work, reporter, sides=sides)
        decoded[key_of(preprocessing)] = hold(images["train"], images["val"], len(items.taxonomy.leaves))
    return decoded
