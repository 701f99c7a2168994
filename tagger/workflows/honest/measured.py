"""Measures the bundles of one recipe on several splits, for honest figures."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from tagger.errors import InputError
from tagger.evaluation.intervals import accuracy, macro_f1
from tagger.evaluation.metrics import Predicted
from tagger.manifest.manifest import Manifest
from tagger.reporter import Reporter
from tagger.schemas.configs.train import ResultsConfig
from tagger.schemas.documents.taxonomy import Level
from tagger.schemas.tables.prediction import Evidence
from tagger.workflows.evidence import labelled_sides
from tagger.workflows.evidence_taught import Asked
from tagger.workflows.held_out_predictions import held_out_predictions, known_evidence
from tagger.workflows.honest.baselines import by_title, labels_of, most_frequent, most_frequent_by_master
from tagger.workflows.honest.brands import BrandFigures, brand_figures
from tagger.workflows.honest.evidence import without_types
from tagger.workflows.honest.figures import APART, BRANDS, RANDOM, Figures, LeftOut, Line, Promise
from tagger.workflows.honest.promises import promises_of
from tagger.workflows.honest.splits import Trained
from tagger.workflows.policy import fitting_side
from tagger.workflows.taught_files import WITHOUT_TYPE

MODEL = "the model"
"""Name of the model's lines among guesses."""
_WITHOUT_TYPE_IN_WORDS = "the words of the item's article type are left out"


def figures_of(
    config: ResultsConfig,
    manifest: Manifest,
    trained: Mapping[str, Trained],
    left_out: list[LeftOut],
    reporter: Reporter,
) -> Figures:
    """All figures of a recipe.

    Args:
        config: Names the columns of titles, of other evidence and of brands.
        manifest: The manifest of all trainings.
        trained: The bundles by split; RANDOM and APART are among them.
        left_out: What is left out so far; more is added.
        reporter: Where steps and warnings go.
    """
    apart = trained[APART]
    left_out += [one for split in trained.values() for one in split.left_out(config)]
    splits = [one for name, one in trained.items() if name != BRANDS]
    ids = pd.Index(pd.concat([one.sides for one in splits]).index.unique())
    brands = BrandFigures()
    guesses = _guesses(config, manifest, apart, left_out, reporter)
    if BRANDS in trained:
        brands = brand_figures(config, manifest, apart, trained[BRANDS], left_out, reporter)
    return Figures(
        splits=[line for one in splits for line in one.lines(_train_types(config, manifest, one), ids)],
        moved=_moved(trained[RANDOM], apart),
        guesses=guesses,
        promises=_promises(apart, reporter),
        brands=brands.lines,
        brand_promises=brands.promises,
        left_out=left_out,
    )


def _train_types(config: ResultsConfig, manifest: Manifest, trained: Trained) -> np.ndarray:
    """Article types of the training items, object [M]."""
    taxonomy = trained.bundle.card.taxonomy
    sides = labelled_sides(manifest, Asked(), trained.folder, taxonomy, config.merge_spellings)
    return labels_of(sides["train"], taxonomy, Level.ARTICLE_TYPE)


def _moved(random: Trained, apart: Trained) -> int:
    """Number of items that are on another side of a split than of the other."""
    sides = random.sides.to_frame("random").join(apart.sides.rename("apart"), how="inner")
    return int((sides["random"] != sides["apart"]).sum())


def _guesses(
    config: ResultsConfig, manifest: Manifest, apart: Trained, left_out: list[LeftOut], reporter: Reporter
) -> list[Line]:
    """The model's lines, and those of guesses of the same items."""
    taxonomy, truth = apart.bundle.card.taxonomy, apart.by_image.types.truth
    masters = apart.by_image.held_out.predicted.levels[Level.MASTER_CATEGORY].truth
    sides = labelled_sides(manifest, Asked(config.title), apart.folder, taxonomy, config.merge_spellings)
    sides["test"] = sides["test"].set_index("id", drop=False).loc[apart.by_image.ids]
    train_masters, train_types = (labels_of(sides["train"], taxonomy, level) for level in Level)
    guesses = {
        ("the most frequent type", "one answer for all"): most_frequent(train_types, truth),
        ("the most frequent type of the master category", "the right master category is given"):
            most_frequent_by_master(train_masters, train_types, masters, truth),
    }  # fmt: skip
    if config.title:
        reporter.step(f"Learning from {', '.join(config.title)} alone")
        how = {False: "words and letters of the title, without the image", True: _WITHOUT_TYPE_IN_WORDS}
        try:
            for is_bare, predicted in by_title(config.title, sides, taxonomy, reporter):
                guesses[f"the title{WITHOUT_TYPE if is_bare else ''}", how[is_bare]] = predicted
        except InputError as error:
            left_out.append(LeftOut("the title", str(error)))
    else:
        left_out.append(LeftOut("the title", "--title names no column of text"))
    return [*_of_the_model(apart), *(_line(name, how, p) for (name, how), p in guesses.items())]


def _of_the_model(apart: Trained) -> list[Line]:
    """The model's lines: by the image alone, by all evidence, and by all with titles that do not name their type."""
    lines = [_line(MODEL, "", test.types, test.evidence) for test in apart.tests]
    if apart.by_all and "title" in apart.by_all.evidence.witnesses:
        bare = without_types(apart.folder, apart.by_all.ids)
        lines.append(_line(f"{MODEL}, title{WITHOUT_TYPE}", _WITHOUT_TYPE_IN_WORDS, bare, apart.by_all.evidence))
    return lines


def _line(name: str, how: str, predicted: Predicted, evidence: Evidence | None = None) -> Line:
    return Line(name, how, len(predicted), accuracy(predicted), macro_f1(predicted), evidence=evidence)


def _promises(apart: Trained, reporter: Reporter) -> list[Promise]:
    """What policies with each target accept of the test items, by the image alone and by all evidence."""
    side = fitting_side(apart.folder, reporter)
    fitting = {
        kind: held_out_predictions(apart.folder, apart.bundle.card, [side], kind)
        for kind in known_evidence(apart.folder, [side])
    }
    return promises_of(side, fitting, apart.tests)
