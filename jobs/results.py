"""Results job: a catalogue and recipes in, every recipe trained and measured, and a table of them out."""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

import pandas as pd
import ray
import yaml
from pydantic import ValidationError

from tagger.cluster.session import gpus, ray_session, wants_gpu
from tagger.errors import UsageError
from tagger.io.location import Location
from tagger.jobs import combine, train
from tagger.jobs.shell.console import Console, duration
from tagger.machine import usable_cores
from tagger.models.backbones import check_weights
from tagger.models.bundle import CARD, Bundle
from tagger.schemas.configs.options import WeightsOptions
from tagger.schemas.configs.train import CombineConfig, ResultsConfig, TrainConfig
from tagger.schemas.documents.bundle import ModelCard
from tagger.schemas.documents.taxonomy import Level
from tagger.training import recipes
from tagger.training.plan import preprocessing_of
from tagger.workflows.holding_out import holds_out
from tagger.workflows.open_catalog import place

TABLE, PAGE = "results.csv", "results.md"
_OF_ALL = set(ResultsConfig.model_fields) - set(WeightsOptions.model_fields)
"""Settings that all trainings share; weights go by backbone."""
_FIGURES = {
    "masterCategory": (Level.MASTER_CATEGORY, "accuracy", True),
    "articleType": (Level.ARTICLE_TYPE, "accuracy", True),
    "weighted F1": (Level.ARTICLE_TYPE, "weighted_f1", False),
    "macro F1": (Level.ARTICLE_TYPE, "macro_f1", False),
    "ECE master": (Level.MASTER_CATEGORY, "expected_calibration_error", False),
    "ECE type": (Level.ARTICLE_TYPE, "expected_calibration_error", False),
}


@dataclass(frozen=True)
class Line:
    """A recipe, or an average of several, with its bundles by seed."""

    name: str
    cards: Sequence[ModelCard]
    changed: Mapping[str, Any]
    """Settings that are not the recipe's own."""


@holds_out
def run(config: ResultsConfig, console: Console) -> int:
    """Train each recipe with each seed, average some, and write the table; the same command goes on where it was."""
    out = place(config.out, config)
    out.check_writable("--out")
    names = config.recipe or recipes.names()
    _check(config, names)
    plans = {(name, seed): _training(config, name, seed) for name in names for seed in config.seed}
    for plan in plans.values():
        check_weights(plan.backbone, plan.weights)
    lines = []
    with ray_session(config, with_data=True):
        device = _device(config)
        for name in names:
            for seed in config.seed:
                console.step(f"Recipe {name}, seed {seed}")
                train.run(plans[name, seed], Console(as_json=True, silent=True))
            lines.append(
                Line(_shown(name), [_card(_bundle(config, name, s)) for s in config.seed], _changed(config, name))
            )
        for average in config.combine:
            averages = _averages(config, average)
            for target, members in averages.items():
                console.step(f"The average of {', '.join(m.name for m in members)}")
                _combine(config, target, members)
            lines.append(Line(_called(config, average), [_card(target) for target in averages], {}))
    table = pd.DataFrame([_row(line) for line in lines])
    (out / TABLE).write_text(table.to_csv(index=False))
    (out / PAGE).write_text(_page(config, lines, table, device))
    console.table(f"{len(lines)} recipes, {_seeds(config)}", list(table.columns), table.to_numpy().tolist())
    console.say(f"Page: {out / PAGE}")
    console.result({"page": str(out / PAGE), "device": device, "recipes": table.to_dict("records")})
    return 0


def _training(config: ResultsConfig, name: str, seed: int) -> TrainConfig:
    shared = {n: getattr(config, n) for n in _OF_ALL if n in TrainConfig.model_fields}
    own = {"out": _bundle(config, name, seed).uri, "recipe": name, "seed": seed}
    try:
        return TrainConfig.model_validate({**_changed(config, name), **shared, **own})
    except ValidationError as error:
        raise UsageError(f"--recipe {name}: {recipes.first_problem(error)}") from error


def _check(config: ResultsConfig, names: Sequence[str]) -> None:
    """Raise UsageError for settings of nothing, and for averages that cannot be."""
    for key in config.set:
        recipe, _, field = key.rpartition(".")
        if field in _OF_ALL:
            raise UsageError(f"--set {key}: all recipes have the same; take --{field.replace('_', '-')}")
        if recipe and recipe not in names:
            raise UsageError(f"--set {key}: {recipe} is not among the recipes that are trained")
    folders = [_folder(name) for name in names]
    twice = sorted({f for f in folders if folders.count(f) > 1})
    if twice:
        raise UsageError(f"--recipe: two are named {twice[0]}; give one file another name")
    for average in config.combine:
        members = average.split("+")
        unknown = sorted({*members} - {*names})
        if unknown:
            raise UsageError(f"--combine {average}: {', '.join(unknown)} is not among the recipes that are trained")
        inputs = {preprocessing_of(_training(config, name, 0)) for name in members}
        if len(inputs) > 1:
            raise UsageError(f"--combine {average}: only recipes of one form of input can be averaged")
        if len(members) == 1 and (len(config.seed) == 1 or config.split_seed is None):
            raise UsageError(
                f"--combine {average}: one recipe is averaged over seeds that share their sides; "
                "give several --seed, and --split-seed"
            )


def _changed(config: ResultsConfig, name: str) -> dict[str, Any]:
    """Settings over a recipe's own: --set FIELD=VALUE for all, --set RECIPE.FIELD=VALUE for one, --weights."""
    settings = recipes.load(name).settings
    of_all: dict[str, Any] = {}
    of_one: dict[str, Any] = {}
    for key, text in config.set.items():
        recipe, _, field = key.rpartition(".")
        if recipe in ("", name):
            (of_one if recipe else of_all)[field] = yaml.safe_load(text)
    found = {**of_all, **of_one}
    differing: dict[str, Any] = {n: getattr(config, n) for n in ("merge", "min_items") if n in settings}
    same_for_all = {n: value for n, value in differing.items() if settings[n] != value}
    return {**config.weights_of({**settings, **found}), **found, **same_for_all}


def _averages(config: ResultsConfig, average: str) -> dict[Location, list[Location]]:
    """The bundles that an average stands for, and those that each is made of: one recipe's seeds, or seed by seed."""
    names = average.split("+")
    if len(names) == 1:
        return {_bundle(config, average, *config.seed): [_bundle(config, average, seed) for seed in config.seed]}
    return {_bundle(config, average, seed): [_bundle(config, name, seed) for name in names] for seed in config.seed}


def _called(config: ResultsConfig, average: str) -> str:
    names = "+".join(map(_shown, average.split("+")))
    return names if "+" in average else f"{names}, average of {len(config.seed)} seeds"


def _shown(name: str) -> str:
    """A recipe's name, or that of its file without the folders of the machine that it lies on."""
    return name.rpartition("/")[2]


def _combine(config: ResultsConfig, target: Location, members: Sequence[Location]) -> None:
    made_of = [_card(member).model_id for member in members]
    if (target / CARD).exists():
        if [member.model_id for member in _card(target).members] == made_of:
            return
        target.delete()
    shared = {n: getattr(config, n) for n in _OF_ALL if n in CombineConfig.model_fields}
    own = {"model": [member.uri for member in members], "average": "predictions", "out": target.uri}
    combine.run(CombineConfig.model_validate({**shared, **own}), Console(as_json=True, silent=True))


def _card(bundle: Location) -> ModelCard:
    return Bundle.load(bundle, "--out").card


def _bundle(config: ResultsConfig, name: str, *seeds: int) -> Location:
    recipes_in_it = "-and-".join(map(_folder, name.split("+")))
    return place(config.out, config) / "-".join([recipes_in_it, *map(str, seeds)])


def _folder(name: str) -> str:
    return _shown(name).removesuffix(".yaml").removesuffix(".yml")


def _row(line: Line) -> dict[str, object]:
    row: dict[str, object] = {"recipe": line.name}
    for title, (level, figure, percent) in _FIGURES.items():
        values = [getattr(card.metrics[0].levels[level], figure) for card in line.cards]
        row[title] = f"{100 * mean(values):.2f}" if percent else f"{mean(values):.4f}"
    row["time"] = duration(mean(card.provenance.training_s for card in line.cards))
    return row


def _page(config: ResultsConfig, lines: Sequence[Line], table: pd.DataFrame, device: str) -> str:
    first = lines[0].cards[0]
    sides = ", ".join(f"{count:,} {side}" for side, count in first.provenance.split_items.items())
    text = [
        "# Results",
        "",
        f"Every recipe on one catalogue: {len(first.taxonomy.classes(Level.MASTER_CATEGORY))} master categories, "
        f"{len(first.taxonomy.classes(Level.ARTICLE_TYPE))} article types, {sides} items. Figures are of the test "
        f"items, {_seeds(config)}; {_drawn(config)}. Accuracies are in percent; weighted "
        "and macro F1 are those of article types; ECE is the expected calibration error, in 15 bins.",
        "",
        f"Device: {device}. PyTorch {first.provenance.versions['torch']}.",
        "",
        "| " + " | ".join(table.columns) + " |",
        "|" + "---|" * len(table.columns),
        *("| " + " | ".join(map(str, row)) + " |" for row in table.itertuples(index=False)),
        "",
    ]
    changed = [f"- {line.name}: {_in_words(line.changed)}" for line in lines if line.changed]
    if changed:
        text += ["Settings that are not the recipes' own:", "", *changed, ""]
    spread = [f"- {line.name}: {_spread(line)}" for line in lines if len(line.cards) > 1]
    if spread:
        text += ["Accuracy of article types seed by seed:", "", *spread, ""]
    return "\n".join(text)


def _in_words(settings: Mapping[str, Any]) -> str:
    """Settings without the folders of the machine that they were made on."""
    texts = {name: str(value) for name, value in settings.items()}
    files = {n: f"file {_shown(text)}" for n, text in texts.items() if text.startswith("file:")}
    return ", ".join(f"{name} {files.get(name, text)}" for name, text in texts.items())


def _spread(line: Line) -> str:
    return ", ".join(f"{100 * card.metrics[0].levels[Level.ARTICLE_TYPE].accuracy:.2f}" for card in line.cards)


def _seeds(config: ResultsConfig) -> str:
    said = ", ".join(map(str, config.seed))
    return f"mean of seeds {said}" if len(config.seed) > 1 else f"seed {said}"


def _drawn(config: ResultsConfig) -> str:
    seed = config.split_seed
    return "a seed draws the split, too" if seed is None else f"the split is that of seed {seed}"


def _device(config: ResultsConfig) -> str:
    if wants_gpu(config):
        name = ray.get(ray.remote(num_gpus=1)(_gpu_name).remote())
        return f"{gpus()} × {name}"
    return f"{usable_cores()} cores, {platform.machine()}"


def _gpu_name() -> str:
    import torch

    return torch.cuda.get_device_name()


if __name__ == "__main__":
    from tagger.jobs.shell.cli import main

    main(job="results")
