"""Compares recipes: trains and measures each on one catalogue, and writes a table."""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import ray
import yaml
from pydantic import ValidationError

from tagger.cluster.session import gpu_count, ray_session, wants_gpu
from tagger.errors import UsageError
from tagger.io.location import Location
from tagger.machine import usable_cores
from tagger.models.backbones import check_weights
from tagger.models.bundle import CARD, Bundle
from tagger.reporter import LOG, Reporter
from tagger.schemas.configs.options import WeightsOptions
from tagger.schemas.configs.train import CombineConfig, HonestOptions, ResultsConfig, TrainConfig
from tagger.schemas.documents.bundle import ModelCard
from tagger.training import recipes
from tagger.training.plan import preprocessing_of
from tagger.workflows.combine import combine
from tagger.workflows.folder_locks import locks_out
from tagger.workflows.open_catalog import resolve_location
from tagger.workflows.results_page import Line, file_name, page_of, table_of
from tagger.workflows.train import train

TABLE, PAGE = "results.csv", "results.md"
_OF_ALL = set(ResultsConfig.model_fields) - set(WeightsOptions.model_fields) - set(HonestOptions.model_fields)
"""Settings that all trainings share; weights are by backbone."""


@dataclass(frozen=True)
class RecipeResults:
    """Results of several recipes: the table, and the folder of bundles and page."""

    folder: Location
    table: pd.DataFrame
    """One row per recipe or average: means over the seeds of the test metrics and of the time, as text."""
    device: str
    """The device of the trainings."""
    best: Location
    """The bundle with the highest article type accuracy; of several seeds, the first."""

    @property
    def page(self) -> Location:
        """The table as a Markdown page, with its catalogue and device."""
        return self.folder / PAGE


@locks_out
def compare_recipes(config: ResultsConfig, reporter: Reporter = LOG) -> RecipeResults:
    """Train each recipe with each seed, average some, and measure all on the same test items.

    A repeated call resumes; finished bundles are not trained again.

    Args:
        config: The catalogue, the recipes and seeds, and `out`, the folder of bundles, table and page.
        reporter: Where steps, warnings and progress go.

    Returns:
        The table; `config.out` has it as `results.csv` and `results.md`, with one bundle per recipe and seed.

    Raises:
        UsageError: for unknown settings, impossible averages, and whatever `train` refuses.
        InputError: when there are too few labelled items.

    Example::

        from tagger.schemas.configs.train import ResultsConfig
        from tagger.workflows.results import compare_recipes

        results = compare_recipes(ResultsConfig(manifest="styles.csv", images="images/", out="results"))
        print(results.table.to_string(index=False))
    """
    out = resolve_location(config.out, config)
    out.check_writable("--out")
    names = config.recipe or recipes.names()
    _check(config, names)
    trainings = {
        (name, seed): training_of(config, name, seed, _bundle(config, name, seed))
        for name in names
        for seed in config.seed
    }
    for training in trainings.values():
        check_weights(training.backbone, training.weights)
    with ray_session(config, with_data=True):
        device = device_in_words(config)
        lines = [_trained(config, name, trainings, reporter) for name in names]
        lines += [_averaged(config, average, reporter) for average in config.combine]
    table = table_of(lines)
    (out / TABLE).write_text(table.to_csv(index=False))
    (out / PAGE).write_text(page_of(config, lines, table, device))
    best = max(lines, key=lambda line: line.accuracy)
    return RecipeResults(out, table, device, best.folder)


def _trained(
    config: ResultsConfig, name: str, trainings: Mapping[tuple[str, int], TrainConfig], reporter: Reporter
) -> Line:
    """Train a recipe with each seed."""
    for seed in config.seed:
        reporter.step(f"Recipe {name}, seed {seed}")
        train(trainings[name, seed], reporter)
    folders = [_bundle(config, name, seed) for seed in config.seed]
    return Line(file_name(name), folders[0], [_card(folder) for folder in folders], _changed(config, name))


def _averaged(config: ResultsConfig, average: str, reporter: Reporter) -> Line:
    """Average recipes, or the seeds of one."""
    averages = _averages(config, average)
    for target, members in averages.items():
        reporter.step(f"The average of {', '.join(m.name for m in members)}")
        _combine(config, target, members, reporter)
    return Line(_called(config, average), next(iter(averages)), [_card(target) for target in averages], {})


def training_of(
    config: ResultsConfig, name: str, seed: int, out: Location, settings: Mapping[str, object] | None = None
) -> TrainConfig:
    """The training of a recipe.

    Args:
        config: The catalogue, and settings that override the recipe's.
        name: The recipe.
        seed: Of the training, and of the split unless the config has a seed for it.
        out: Folder of the bundle.
        settings: Further settings, which win over the config's.

    Raises:
        UsageError: when the settings do not fit the recipe.
    """
    shared = {n: getattr(config, n) for n in _OF_ALL if n in TrainConfig.model_fields} | dict(settings or {})
    run_settings = {"out": out.uri, "recipe": name, "seed": seed}
    try:
        return TrainConfig.model_validate({**_changed(config, name), **shared, **run_settings})
    except ValidationError as error:
        raise UsageError(f"--recipe {name}: {recipes.first_problem(error)}") from error


def check_set(config: ResultsConfig, names: Sequence[str]) -> None:
    """Raise UsageError when `set` has what is no setting of one of these recipes alone."""
    for key in config.set:
        recipe, _, field = key.rpartition(".")
        if field in _OF_ALL:
            raise UsageError(f"--set {key}: all recipes have the same; take --{field.replace('_', '-')}")
        if recipe and recipe not in names:
            raise UsageError(f"--set {key}: {recipe} is not among the recipes that are trained")


def _check(config: ResultsConfig, names: Sequence[str]) -> None:
    """Raise UsageError for unknown settings and impossible averages."""
    if config.honest:
        raise UsageError("--honest: honest figures are those of one recipe; call honest_figures")
    check_set(config, names)
    folders = [_folder(name) for name in names]
    twice = sorted({f for f in folders if folders.count(f) > 1})
    if twice:
        raise UsageError(f"--recipe: two are named {twice[0]}; give one file another name")
    for average in config.combine:
        members = average.split("+")
        unknown = sorted({*members} - {*names})
        if unknown:
            raise UsageError(f"--combine {average}: {', '.join(unknown)} is not among the recipes that are trained")
        inputs = {preprocessing_of(training_of(config, name, 0, _bundle(config, name, 0))) for name in members}
        if len(inputs) > 1:
            raise UsageError(f"--combine {average}: only recipes of one form of input can be averaged")
        if len(members) == 1 and (len(config.seed) == 1 or config.split_seed is None):
            raise UsageError(
                f"--combine {average}: one recipe is averaged over seeds that share their sides; "
                "give several --seed, and --split-seed"
            )


def _changed(config: ResultsConfig, name: str) -> dict[str, Any]:
    """Settings that override a recipe: --set FIELD=VALUE for all, --set RECIPE.FIELD=VALUE for one, --weights."""
    settings = recipes.load(name).settings
    of_all: dict[str, Any] = {}
    of_one: dict[str, Any] = {}
    for key, text in config.set.items():
        recipe, _, field = key.rpartition(".")
        if recipe in ("", name):
            (of_one if recipe else of_all)[field] = yaml.safe_load(text)
    chosen = {**of_all, **of_one}
    differing: dict[str, Any] = {n: getattr(config, n) for n in ("merge", "min_items") if n in settings}
    same_for_all = {n: value for n, value in differing.items() if settings[n] != value}
    return {**config.weights_of({**settings, **chosen}), **chosen, **same_for_all}


def _averages(config: ResultsConfig, average: str) -> dict[Location, list[Location]]:
    """The bundles of an average, each with its members: all seeds of one recipe, or all recipes of one seed."""
    names = average.split("+")
    if len(names) == 1:
        return {_bundle(config, average, *config.seed): [_bundle(config, average, seed) for seed in config.seed]}
    return {_bundle(config, average, seed): [_bundle(config, name, seed) for name in names] for seed in config.seed}


def _called(config: ResultsConfig, average: str) -> str:
    names = "+".join(map(file_name, average.split("+")))
    return names if "+" in average else f"{names}, average of {len(config.seed)} seeds"


def _combine(config: ResultsConfig, target: Location, members: Sequence[Location], reporter: Reporter) -> None:
    """Average bundles, unless that is done; an average of other members is made again."""
    made_of = [_card(member).model_id for member in members]
    if (target / CARD).exists():
        if [member.model_id for member in _card(target).members] == made_of:
            return
        target.delete()
    shared = {n: getattr(config, n) for n in _OF_ALL if n in CombineConfig.model_fields}
    run_settings = {"model": [member.uri for member in members], "average": "predictions", "out": target.uri}
    combine(CombineConfig.model_validate({**shared, **run_settings}), reporter)


def _card(bundle: Location) -> ModelCard:
    return Bundle.load(bundle, "--out").card


def _bundle(config: ResultsConfig, name: str, *seeds: int) -> Location:
    recipes_in_it = "-and-".join(map(_folder, name.split("+")))
    return resolve_location(config.out, config) / "-".join([recipes_in_it, *map(str, seeds)])


def _folder(name: str) -> str:
    return file_name(name).removesuffix(".yaml").removesuffix(".yml")


def device_in_words(config: ResultsConfig) -> str:
    """The device of the trainings. Needs Ray."""
    if wants_gpu(config):
        name = ray.get(ray.remote(num_gpus=1)(_gpu_name).remote())
        return f"{gpu_count()} × {name}"
    return f"{usable_cores()} cores, {platform.machine()}"


def _gpu_name() -> str:
    import torch

    return torch.cuda.get_device_name()
