"""Puts the figures of one recipe to the test: other splits, guesses, target precisions, unseen brands."""

from collections.abc import Mapping
from dataclasses import dataclass

from tagger.cluster.session import ray_session
from tagger.errors import InputError, UsageError
from tagger.io.location import Location
from tagger.manifest.headings import listed
from tagger.manifest.manifest import Manifest
from tagger.models.backbones import check_weights
from tagger.reporter import LOG, Reporter
from tagger.schemas.configs.train import ResultsConfig, TrainConfig
from tagger.schemas.documents.taxonomy import Level
from tagger.workflows.evidence_taught import Asked
from tagger.workflows.folder_locks import locks_out
from tagger.workflows.honest.figures import APART, BRANDS, BY_TIME, RANDOM, Figures, LeftOut
from tagger.workflows.honest.measured import figures_of
from tagger.workflows.honest.page import page_of
from tagger.workflows.honest.splits import Trained
from tagger.workflows.open_catalog import open_manifest, resolve_location
from tagger.workflows.results import check_set, device_in_words, training_of
from tagger.workflows.results_page import file_name
from tagger.workflows.train import train

TABLE, PAGE = "honest.csv", "honest.md"


@dataclass(frozen=True)
class HonestResult:
    """How much of a recipe's accuracy is real."""

    folder: Location
    recipe: str
    device: str
    """The device of the trainings."""
    figures: Figures

    @property
    def page(self) -> Location:
        """The figures as a Markdown page; `honest.csv` beside it has them as a table."""
        return self.folder / PAGE

    @property
    def bundle(self) -> Location:
        """The bundle that was trained with copies apart."""
        return self.folder / folder_of(APART)


def folder_of(split: str) -> str:
    """Name of the folder of a split's bundle."""
    return split.replace(" ", "-")


@locks_out
def honest_figures(config: ResultsConfig, reporter: Reporter = LOG) -> HonestResult:
    """Train one recipe on several splits, and compare it with guesses and with what a policy promises.

    The splits are a random one, one that keeps copies on one side, one by time where the manifest has `time_by`, and
    on request one that keeps brands on one side. Figures are those by the image alone and, where the config names
    titles or columns, those by all evidence. What cannot be measured is named with its reason. A repeated call
    resumes; finished bundles are not trained again.

    Args:
        config: The catalogue, one recipe, `honest`, the columns of titles, of other evidence and of brands, and
            `out`, the folder of the bundles and the page.
        reporter: Where steps, warnings and progress go.

    Returns:
        The figures; `config.out` has them as `honest.md` and `honest.csv`, with one bundle per split.

    Raises:
        UsageError: for unknown settings and columns, and whatever `train` refuses.
        InputError: when there are too few labelled items.

    Example::

        from tagger.schemas.configs.train import ResultsConfig
        from tagger.workflows.honest.measure import honest_figures

        config = ResultsConfig(manifest="styles.csv", images="images/", out="honest", recipe=["fast"], honest=True)
        for line in honest_figures(config).figures.splits:
            print(f"{line.name}: {line.accuracy.value:.1%} of article types are right")
    """
    if not config.honest:
        raise UsageError("--honest: without it, recipes are compared; call compare_recipes")
    recipe = config.recipe[0] if config.recipe else str(TrainConfig.model_fields["recipe"].default)
    _check_set(config, recipe)
    out = resolve_location(config.out, config)
    out.check_writable("--out")
    manifest = open_manifest(config.manifest, config, reporter)
    _check_columns(config, manifest)
    trainings, left_out = _trainings(config, recipe, manifest, out)
    for training in trainings.values():
        check_weights(training.backbone, training.weights)
    with ray_session(config, with_data=True):
        device = device_in_words(config)
        trained = _train(trainings, manifest, left_out, reporter)
    figures = figures_of(config, manifest, trained, left_out, reporter)
    for one in figures.left_out:
        reporter.warn(f"Left out: {one.figure}: {one.why}")
    result = HonestResult(out, file_name(recipe), device, figures)
    (out / TABLE).write_text(figures.table().to_csv(index=False))
    (out / PAGE).write_text(page_of(figures, _facts(config, result, trained[APART])))
    return result


def _check_set(config: ResultsConfig, recipe: str) -> None:
    """Raise UsageError when `set` has what is no setting of the recipe, or has a flag of its own."""
    check_set(config, [recipe])
    for key in config.set:
        field = key.rpartition(".")[2]
        if field in ("title", "evidence"):
            raise UsageError(f"--set {key}: all splits have the same; take --{field}")


def _check_columns(config: ResultsConfig, manifest: Manifest) -> None:
    """Raise UsageError when the manifest lacks the columns of titles, other evidence or brands."""
    Asked(config.title, config.evidence).check(manifest)
    if config.brand is not None and config.brand not in manifest.columns:
        has = listed(manifest.columns)
        raise UsageError(f"--brand {config.brand}: the manifest has no such column; it has {has}")


def _trainings(
    config: ResultsConfig, recipe: str, manifest: Manifest, out: Location
) -> tuple[dict[str, TrainConfig], list[LeftOut]]:
    """The trainings by split, and what the manifest does not allow."""
    ungrouped: dict[str, object] = {"duplicates": None}
    asked: dict[str, object] = {"title": config.title, "evidence": config.evidence}
    settings: dict[str, Mapping[str, object]] = {RANDOM: {"split": "stratified", **ungrouped}, APART: {}}
    left_out = []
    if config.time_by in manifest.columns:
        settings[BY_TIME] = {"split": "time", **ungrouped}
    else:
        why = f"the manifest has no column {config.time_by}; --time-by names another one of years or ISO dates"
        left_out.append(LeftOut(BY_TIME, why))
    if config.brand is None:
        left_out.append(LeftOut(BRANDS, "--brand names no column"))
    else:
        settings[BRANDS] = {"group_by": [*config.group_by, config.brand]}
    trainings = {
        name: training_of(config, recipe, config.seed[0], out / folder_of(name), {**asked, **changed})
        for name, changed in settings.items()
    }
    return trainings, left_out


def _train(
    trainings: Mapping[str, TrainConfig], manifest: Manifest, left_out: list[LeftOut], reporter: Reporter
) -> dict[str, Trained]:
    """The bundles by split. What the catalogue does not allow is added to `left_out`."""
    trained = {}
    for name, training in trainings.items():
        reporter.step(f"Recipe {file_name(training.recipe)}, {name}")
        try:
            train(training, reporter)
        except InputError as error:
            if name in (RANDOM, APART):
                raise
            left_out.append(LeftOut(name, str(error)))
            continue
        trained[name] = Trained.load(name, training, manifest)
    return trained


def _facts(config: ResultsConfig, result: HonestResult, apart: Trained) -> dict[str, str]:
    """Named values for the top of the page."""
    taxonomy, provenance = apart.bundle.card.taxonomy, apart.bundle.card.provenance
    sides = ", ".join(f"{count:,} {side}" for side, count in provenance.split_items.items())
    return {
        "recipe": f"{result.recipe}, seed {config.seed[0]}",
        "catalogue": f"{len(taxonomy.classes(Level.MASTER_CATEGORY))} master categories, "
        f"{len(taxonomy.classes(Level.ARTICLE_TYPE))} article types; with {APART}, {sides} items",
        "device": f"{result.device}, PyTorch {provenance.versions['torch']}",
    }
