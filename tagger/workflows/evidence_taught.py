"""Teaches a bundle what titles and columns say of its classes, and measures each, and all that items show together."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from tagger.confidence.calibration import fit_temperature
from tagger.confidence.stacking import fit_weights
from tagger.dataset.splits import SPLITS
from tagger.errors import InputError, UsageError
from tagger.evaluation.metrics import Predicted, level_metrics
from tagger.images.patterns import text_column
from tagger.io.location import Location
from tagger.manifest.batch import Batch
from tagger.manifest.headings import listed
from tagger.manifest.manifest import Manifest
from tagger.manifest.no_value import NoValue
from tagger.models.columns import ColumnsModel
from tagger.models.evidence import WITNESSES, EvidenceModel, Said, Weights, class_prior
from tagger.models.levels import Levels
from tagger.models.titles import joined_texts
from tagger.reporter import Reporter
from tagger.runs.leaf_probabilities import LeafProbabilities
from tagger.runs.staging import passthrough
from tagger.schemas.documents.bundle import LevelMetrics, ModelCard
from tagger.schemas.documents.taxonomy import Level
from tagger.schemas.tables.prediction import Evidence
from tagger.training.columns import fit_columns
from tagger.training.titles import drawn_for_bare_titles, fit_titles
from tagger.workflows.evidence_held_out import KINDS, delete_held_out, shown_by, without_types, write_held_out
from tagger.workflows.taught_files import WITHOUT_TYPE, write_evidence

SURE = 0.9
"""Confidence from which a title objects to an image."""
_MOST_CHECKED = 20_000
TELLS_ALL = 0.9
"""Share of the items whose article type a column tells by itself, from which it may be a label in disguise."""
_Chosen = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""Master category, article type, and the confidence of each, [N] each."""


@dataclass(frozen=True)
class Asked:
    """The columns of a manifest that a bundle is to be taught, beside the images."""

    title: Sequence[str] = ()
    """Columns of text."""
    columns: Sequence[str] = ()
    """Columns of values, such as gender, or of numbers."""
    attributes: Sequence[str] = ()
    """Columns of further labels, to be predicted."""
    no_value: NoValue = field(default_factory=NoValue)
    """Recognises cells without a value."""

    @property
    def names(self) -> list[str]:
        """What is learnt beside the images, once each."""
        return list(dict.fromkeys([*self.title, *self.columns]))

    @property
    def read(self) -> list[str]:
        """All columns that are read, once each."""
        return list(dict.fromkeys([*self.names, *self.attributes]))

    def check(self, manifest: Manifest) -> None:
        """Raise UsageError when the manifest lacks one."""
        flags = (("--title", self.title), ("--evidence", self.columns), ("--attribute", self.attributes))
        for flag, names in flags:
            for name in names:
                if name not in manifest.columns:
                    has = listed(manifest.columns)
                    raise UsageError(f"{flag} {name}: the manifest has no such column; it has {has}")


@dataclass(frozen=True)
class Objections:
    """Confident titles that contradict confident images; counts of test items."""

    confident: int
    """The image is confident."""
    wrong: int
    """Of these, the image is wrong."""
    objected: int
    """Of the confident ones, the title is as confident of another class."""
    caught: int
    """Of those, the image is wrong."""
    mistakes: int
    """The image is wrong, confident or not."""
    title_sides_with_image: int
    """Of these, the title agrees with it: the label may be what is wrong."""


@dataclass(frozen=True)
class EvidenceResult:
    """What a bundle was taught of titles and columns, already written into it, and its metrics on the test items."""

    model: EvidenceModel
    card: ModelCard
    """The bundle's card."""
    items: int
    """Number of test items."""
    by: Mapping[str, Mapping[Level, LevelMetrics]]
    """Metrics by what the predictions are based on: `title`, `columns`, `image`, `image+title` and so on; with
    `without its type` where the words of an item's article type are left out of its title. An item that lacks some of
    it is predicted by the rest.

    Macro F1 is that of `evaluate`: the mean over the classes with at least `minimum_support` of the items.
    """
    objections: Objections | None
    """None where images or titles have no say."""
    left_out: Mapping[str, str] = field(default_factory=dict)
    """What could not be learnt, by flag, with the reason."""


def teach(
    folder: Location,
    card: ModelCard,
    asked: Asked,
    sides: Mapping[str, pd.DataFrame],
    image: LeafProbabilities | None,
    reporter: Reporter,
    surely: float = SURE,
    before_writing: Callable[[], None] = lambda: None,
) -> EvidenceResult:
    """Fit models of titles and columns to the train side, weigh them on val, write them, and measure them on test.

    Args:
        folder: The bundle's folder.
        card: The bundle's card.
        asked: The columns.
        sides: Items of each side of the split, with id, leaf number, and the columns, as `with_columns` names them.
        image: What the images say of held-out items; without it, nothing is known of them and the rest together.
        reporter: Where warnings go.
        surely: Confidence of an image, and of a title that objects to it, 0 to 1.
        before_writing: Called once all is fitted, just before the bundle changes.

    Raises:
        InputError: when nothing can be learnt from these columns.
    """
    types = [leaf.articleType for leaf in card.taxonomy.leaves]
    model, left_out = _with_models(card, asked, sides["train"], types, reporter)
    val, test = sides["val"], sides["test"]
    if model.titles:
        texts = model.titles.texts(shown_by(val, model), len(val))
        temperature = fit_temperature(model.titles.logits(texts), val["leaf"].to_numpy())
        model = replace(model, titles=replace(model.titles, temperature=temperature))
    if image is not None:
        val, test = (side[side["id"].isin(image.row)] for side in (val, test))
        if val.empty or test.empty:
            raise InputError("no val item, or no test item, has a usable image")
    model = replace(model, weights=_weights(model, val, image, types))
    before_writing()
    delete_held_out(folder / "report")
    model.save(folder)
    if image is not None:
        write_held_out(folder / "report", card, model, image, sides)
    result = replace(_measured(surely, card, model, test, image), left_out=left_out)
    write_evidence(folder / "report", result.items, result.by)
    return result


def with_columns(items: pd.DataFrame, manifest: Manifest, asked: Asked) -> dict[str, pd.DataFrame]:
    """The items of each side with their titles and columns, for `teach`.

    Args:
        items: Their id, split and leaf.
        manifest: Has the columns.
        asked: Their names.
    """
    tables = [
        pa.table({"id": batch.items["id"], **columns_of(batch, asked)}).to_pandas() for batch in manifest.batches()
    ]
    return by_side(items[["id", "split", "leaf"]].merge(pd.concat(tables), on="id"))


def columns_of(batch: Batch, asked: Asked) -> dict[str, pa.ChunkedArray]:
    """All columns of a batch's items that are read, by `passthrough`; empty where there is none. Raises InputError."""
    flags = dict.fromkeys(asked.attributes, "--attribute")
    flags |= dict.fromkeys(asked.columns, "--evidence") | dict.fromkeys(asked.title, "--title")
    return {passthrough(name): _cells(batch, name, flag) for name, flag in flags.items()}


def by_side(items: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The items of each side that has some. Raises InputError when train, val or test has none."""
    sides = {side: items[items["split"] == side].reset_index(drop=True) for side in SPLITS}
    for side in ("train", "val", "test"):
        if sides[side].empty:
            raise InputError(f"--manifest: no item of the bundle's {side} side is in it")
    return {side: rows for side, rows in sides.items() if not rows.empty}


def _cells(batch: Batch, name: str, flag: str) -> pa.ChunkedArray:
    if batch.column(name) is None and name not in batch.bytes_columns:  # one file of several may lack it
        return pa.chunked_array([pa.repeat(pa.scalar("", pa.string()), len(batch.items))])
    return pc.fill_null(text_column(batch, name, flag), "")


def _with_models(
    card: ModelCard, asked: Asked, train: pd.DataFrame, types: Sequence[str], reporter: Reporter
) -> tuple[EvidenceModel, dict[str, str]]:
    """Models of titles and columns, not yet weighed, and what is left out, by flag, with the reason.

    Raises:
        InputError: when nothing can be learnt from them.
    """
    leaves = train["leaf"].to_numpy()
    cells = {name: train[passthrough(name)].tolist() for name in asked.names}
    titles = columns = None
    left_out: dict[str, str] = {}
    if asked.title:
        try:
            texts = joined_texts(cells, asked.title, len(train))
            titles = fit_titles(asked.title, texts, leaves, types, reporter=reporter)
        except InputError as error:
            if not asked.columns:
                raise
            left_out[f"--title {','.join(asked.title)}"] = str(error)
            reporter.warn(f"{error}; titles are left out")
    if asked.columns:
        columns = fit_columns({name: cells[name] for name in asked.columns}, leaves, len(types), asked.no_value)
        for name in asked.columns:
            if name not in columns.names:
                cell = next((cell for cell in cells[name] if not asked.no_value.means_none(cell)), "")
                why = (
                    f"Its cells, such as {cell!r}, are neither plain numbers nor values of which two or more are those "
                    "of five items each; --title reads text"
                )
                left_out[f"--evidence {name}"] = why
                reporter.warn(f"--evidence {name}: left out. {why}")
        columns = columns if columns.columns else None
    if not (titles or columns):
        reasons = [f"{flag}: {why}" for flag, why in left_out.items() if not flag.startswith("--evidence")]
        raise InputError("; ".join(["--evidence: nothing can be learnt from these columns", *reasons]))
    model = EvidenceModel(card.model_id, class_prior(leaves, len(types)), titles, columns)
    _warn_of_labels_in_disguise(model, cells, leaves, reporter)
    return model, left_out


def _warn_of_labels_in_disguise(
    model: EvidenceModel, cells: Mapping[str, Sequence[str | None]], leaves: np.ndarray, reporter: Reporter
) -> None:
    """Warn of columns that tell nearly every item's article type by themselves."""
    some = slice(None, None, max(1, len(leaves) // _MOST_CHECKED))
    sample = {name: column[some] for name, column in cells.items()}
    for column in model.columns.columns if model.columns else ():
        by_column, _ = ColumnsModel((column,), model.prior).read(sample, len(leaves[some]))
        right = (by_column.argmax(axis=1) == leaves[some]).mean()
        if right >= TELLS_ALL:
            reporter.warn(
                f"--evidence {column.name}: it tells the article type of {right:.0%} of the items by itself. If new "
                "items do not have it before they are tagged, leave it out"
            )


def _weights(
    model: EvidenceModel, val: pd.DataFrame, image: LeafProbabilities | None, types: Sequence[str]
) -> dict[Evidence, Weights]:
    """Weights for every kind of evidence that val items have, fitted to these.

    A quarter of their titles count once more without the words of their type, as in the training of the titles.
    """
    everything = _everything(model, val, image)
    bare = without_types(val, everything, model, types)
    leaves = val["leaf"].to_numpy()
    again = drawn_for_bare_titles(len(val))
    weights: dict[Evidence, Weights] = {}
    for kind in KINDS:
        if not set(kind.witnesses) <= set(everything.speaks):
            continue
        rows = np.flatnonzero(everything.having(kind))
        parts, items = everything.of(rows, kind), rows
        if "title" in kind.witnesses:
            more = np.flatnonzero(bare.having(kind) & again)
            parts = [np.concatenate(pair) for pair in zip(parts, bare.of(more, kind), strict=True)]
            items = np.concatenate([rows, more])
        if len(rows):
            weights[kind] = fit_weights(parts, kind, model.prior, leaves[items], items)
    return weights


def _everything(model: EvidenceModel, items: pd.DataFrame, image: LeafProbabilities | None) -> Said:
    """What all witnesses say of items."""
    said = model.hear(shown_by(items, model), len(items))
    if image is None:
        return said
    of_image = {"image": image.of(items["id"].tolist())}
    return Said({**of_image, **said.probabilities}, {"image": np.ones(len(items), bool), **said.speaks})


def _measured(
    surely: float, card: ModelCard, model: EvidenceModel, test: pd.DataFrame, image: LeafProbabilities | None
) -> EvidenceResult:
    """Metrics of the test items, by each witness and by what they say together."""
    levels = Levels(card.taxonomy)
    truth = levels.classes_of_leaves(test["leaf"].to_numpy())
    chosen = {name: levels.choose(p) for name, p in _probabilities(card, model, test, image)}
    figures = {
        name: {
            Level.MASTER_CATEGORY: level_metrics(Predicted(truth[0], master, master_confidence)),
            Level.ARTICLE_TYPE: level_metrics(Predicted(truth[1], article, article_confidence)),
        }
        for name, (master, master_confidence, article, article_confidence) in chosen.items()
    }
    both = {"image", "title"} <= set(chosen)
    objections = _objections(surely, truth[1], chosen["image"], chosen["title"]) if both else None
    return EvidenceResult(model, card, len(test), figures, objections)


def _probabilities(
    card: ModelCard, model: EvidenceModel, items: pd.DataFrame, image: LeafProbabilities | None
) -> Iterator[tuple[str, np.ndarray]]:
    """Leaf probabilities of items by each witness and by what they say together, with names for these."""
    types = [leaf.articleType for leaf in card.taxonomy.leaves]
    said = model.hear(shown_by(items, model), len(items))
    bare = without_types(items, said, model, types)
    if image is not None:
        yield "image", image.of(items["id"].tolist())
    for witness, probabilities in said.probabilities.items():
        yield witness, probabilities
        if witness == "title":
            yield f"title{WITHOUT_TYPE}", bare.probabilities[witness]
    for kind in model.kinds:
        if len(kind.witnesses) == 1:
            continue
        has_image = np.full(len(items), "image" in kind.witnesses)
        of_image = image.of(items["id"].tolist()) if image is not None else np.repeat(model.prior[None], len(items), 0)
        heard = WITNESSES.intersection(kind.witnesses)
        yield str(kind), model.fuse(of_image, has_image, said, heard).probabilities
        if "title" in heard:
            yield f"{kind}{WITHOUT_TYPE}", model.fuse(of_image, has_image, bare, heard).probabilities


def _objections(surely: float, truth: np.ndarray, image: _Chosen, title: _Chosen) -> Objections:
    """Count the titles that contradict a confident image, and those that are right."""
    _, _, by_image, image_confidence = image
    _, _, by_title, title_confidence = title
    mistakes = by_image != truth
    confident = image_confidence >= surely
    objected = confident & (title_confidence >= surely) & (by_title != by_image)
    return Objections(
        confident=int(confident.sum()),
        wrong=int((confident & mistakes).sum()),
        objected=int(objected.sum()),
        caught=int((objected & mistakes).sum()),
        mistakes=int(mistakes.sum()),
        title_sides_with_image=int((mistakes & (by_title == by_image)).sum()),
    )
