"""Teaches a bundle further tags of its items, such as gender or colour, and measures each."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pyarrow as pa

from tagger.confidence.stacking import fit_weights
from tagger.dataset.splits import SPLITS
from tagger.errors import InputError, UsageError
from tagger.io.location import Location
from tagger.io.parquet import write_parquet
from tagger.manifest.no_value import NoValue
from tagger.models.attributes import FILE, Attribute, AttributesModel, LeavesSaid
from tagger.models.columns import spelled
from tagger.models.evidence import RICHEST_FIRST, EvidenceModel, Said
from tagger.models.image_pool import pool_images
from tagger.models.levels import Levels
from tagger.models.titles import TitleVectors
from tagger.reporter import Reporter
from tagger.runs.image_features import ImageFeatures
from tagger.runs.leaf_probabilities import LeafProbabilities
from tagger.runs.staging import passthrough
from tagger.schemas.documents.bundle import ModelCard
from tagger.schemas.documents.taxonomy import Level
from tagger.schemas.tables.item import Role
from tagger.schemas.tables.prediction import Evidence
from tagger.training.attributes import LEAST_ITEMS, MOST_VALUES, Examples, fit_attribute, learnt_values
from tagger.workflows.attributes_measured import AttributeFigures, figures_of, measured_tag
from tagger.workflows.evidence_held_out import shown_by
from tagger.workflows.evidence_taught import Asked
from tagger.workflows.taught_files import HELD_OUT, delete_attributes, write_attributes

_LEVELS = tuple(str(level) for level in Level)
_ROLES = tuple(str(role) for role in Role)
_HELD_OUT_SIDES = tuple(side for side in SPLITS if side != "train")
_SHOWN_RARE, _SHOWN_LETTERS = 5, 40


@dataclass(frozen=True)
class AttributesResult:
    """The attributes that a bundle was taught, already written into it."""

    model: AttributesModel
    figures: tuple[AttributeFigures, ...]


@dataclass(frozen=True)
class _Side:
    """Items of one side, with what they show."""

    items: pd.DataFrame
    images: ImageFeatures
    shown: Mapping[str, Sequence[str | None]]
    said: Said
    leaves: Mapping[Evidence, LeavesSaid]
    """What they are taken for, by the kind of evidence that is heard."""


def teach_attributes(
    folder: Location,
    card: ModelCard,
    asked: Asked,
    evidence: EvidenceModel | None,
    sides: Mapping[str, pd.DataFrame],
    image: LeafProbabilities,
    features: ImageFeatures,
    reporter: Reporter,
    before_writing: Callable[[], None] = lambda: None,
) -> AttributesResult | None:
    """Fit attributes to the train side, weigh their witnesses on val, write them, and measure them on test.

    Args:
        folder: The bundle's folder.
        card: The bundle's card.
        asked: The columns of the manifest that are attributes; an item without a value in one is left out there.
        evidence: What titles and columns say of the bundle's leaves, if it knows them: the attributes read these, too.
        sides: Items of each side, with id, leaf number and all columns, as `with_columns` names them.
        image: What the images say of the leaves of held-out items.
        features: Of the images of all items.
        reporter: Where warnings go.
        before_writing: Called once all is fitted, just before the bundle changes.

    Returns:
        None, with warnings, when nothing can be learnt.

    Raises:
        InputError: when no image of the train, val or test side was looked at.
    """
    sides = _in_one_spelling(_looked_at_sides(sides, image, features), asked.attributes)
    train = sides["train"]
    of_train, item_of = features.of_items(train["id"].to_numpy(object))
    titles = evidence.title_vectors(shown_by(train, evidence), len(train)) if evidence else None
    attributes, figures, tables = [], [], []
    for name in asked.attributes:
        values = _values(name, sides, asked.no_value, reporter)
        if not values:
            continue
        reporter.step(f"Learning {name}, {len(values)} values")
        hidden = name if evidence and name in evidence.names_of("columns") else None
        held_out = _held_out(sides, hidden, evidence, image, features, Levels(card.taxonomy))
        examples = _examples(name, values, train, evidence, titles, of_train, item_of)
        attribute = fit_attribute(name, values, card.taxonomy, examples, asked.no_value, reporter=reporter)
        attribute = _weighed(attribute, held_out["val"], card, evidence)
        predictions = pd.concat(
            table
            for side, looked in held_out.items()
            for table in _predicted(attribute, side, looked, card, asked.no_value)
        )
        attributes.append(attribute)
        tables.append(predictions)
        leaf_of = held_out["test"].items.set_index("id")["leaf"]
        figures.append(figures_of(attribute, predictions[predictions["side"] == "test"], leaf_of))
    if not attributes:
        return None
    model = AttributesModel(card.model_id, evidence.digest if evidence else "", tuple(attributes))
    before_writing()
    delete_attributes(folder / "report")
    model.save(folder)
    write_parquet(folder / "report" / HELD_OUT, pa.Table.from_pandas(pd.concat(tables), preserve_index=False))
    measured = (measured_tag(*one) for one in zip(attributes, figures, tables, strict=True))
    write_attributes(folder / "report", list(measured))
    return AttributesResult(model, tuple(figures))


def _looked_at_sides(
    sides: Mapping[str, pd.DataFrame], image: LeafProbabilities, features: ImageFeatures
) -> dict[str, pd.DataFrame]:
    """The items whose images were looked at. Raises InputError when train, val or test has none."""
    ids = set(features.ids.tolist())
    seen = {}
    for side, items in sides.items():
        rows = items[items["id"].isin(ids if side == "train" else ids & image.row.keys())]
        if not rows.empty:
            seen[side] = rows.reset_index(drop=True)
    for side in ("train", "val", "test"):
        if side not in seen:
            raise InputError(
                f"--attribute: no usable image of the bundle's {side} side was looked at; with --run, tag the whole "
                "manifest"
            )
    return seen


def _in_one_spelling(sides: Mapping[str, pd.DataFrame], names: Sequence[str]) -> dict[str, pd.DataFrame]:
    """The items with attributes that differ in case or white space alone in their most frequent spelling."""
    changed = {side: items.copy() for side, items in sides.items()}
    for column in map(passthrough, names):
        usual: dict[str, str] = {}
        for cell, _ in Counter(sides["train"][column].tolist()).most_common():
            usual.setdefault(spelled(cell), cell)
        for items in changed.values():
            items[column] = [usual.get(spelled(cell), cell) for cell in items[column].tolist()]
    return changed


def check_attributes(asked: Asked) -> None:
    """Raise UsageError when an attribute is what every bundle predicts or reads, or what titles are read from."""
    for name in asked.attributes:
        if name in _LEVELS:
            raise UsageError(f"--attribute {name}: every bundle predicts it; name further columns of labels")
        if name in _ROLES:
            raise UsageError(f"--attribute {name}: every item has its own; name further columns of labels")
        if name in asked.title:
            raise UsageError(f"--attribute {name}: the bundle reads it as a title, which would tell it")


def forget_attributes(folder: Location, card: ModelCard) -> bool:
    """Delete a bundle's attributes if they read its titles or columns, or cannot be read; return whether they did."""
    try:
        model = AttributesModel.load_if_any(folder, card.model_id)
        had_some = model is not None and bool(model.evidence_digest)
    except InputError:
        had_some = True
    if not had_some:
        return False
    (folder / FILE).delete()
    delete_attributes(folder / "report")
    return True


def _values(name: str, sides: Mapping[str, pd.DataFrame], no_value: NoValue, reporter: Reporter) -> list[str]:
    """The values to learn; none, with a warning, where the column has no attribute."""
    values, rare = learnt_values(sides["train"][passthrough(name)].tolist(), no_value)
    if len(values) < 2 or len(values) > MOST_VALUES:
        reporter.warn(
            f"--attribute {name}: left out. {len(values):,} of its values are those of {LEAST_ITEMS} training items or "
            f"more; an attribute has 2 to {MOST_VALUES}"
        )
        return []
    if not sides["val"][passthrough(name)].isin(values).any():
        reporter.warn(f"--attribute {name}: left out. No val item with an image has one of its values")
        return []
    if rare:
        some = ", ".join(f"{value[:_SHOWN_LETTERS]!r} ({items})" for value, items in rare.most_common(_SHOWN_RARE))
        more = ", …" if len(rare) > _SHOWN_RARE else ""
        reporter.warn(
            f"--attribute {name}: {len(rare):,} {'value' if len(rare) == 1 else 'values'} of fewer than {LEAST_ITEMS} "
            f"training items {'is' if len(rare) == 1 else 'are'} not learnt: {some}{more}"
        )
    return values


def _held_out(
    sides: Mapping[str, pd.DataFrame],
    hidden: str | None,
    evidence: EvidenceModel | None,
    image: LeafProbabilities,
    features: ImageFeatures,
    levels: Levels,
) -> dict[str, _Side]:
    """The held-out sides, whose items do not show the hidden column."""
    return {
        side: _looked_at(sides[side], hidden, evidence, image, features, levels)
        for side in _HELD_OUT_SIDES
        if side in sides
    }


def _looked_at(
    items: pd.DataFrame,
    hidden: str | None,
    evidence: EvidenceModel | None,
    image: LeafProbabilities,
    features: ImageFeatures,
    levels: Levels,
) -> _Side:
    """Items of one side in their images' order, which do not show the hidden column."""
    images, _ = features.of_items(items["id"].to_numpy(object))
    ids = images.ids[images.rows.starts]
    chosen = items.set_index("id", drop=False).loc[ids].reset_index(drop=True)
    of_image = image.of(ids.tolist())
    if evidence is None:
        return _Side(chosen, images, {}, Said({}, {}), {Evidence.IMAGE: LeavesSaid.of(of_image, levels)})
    shown: dict[str, Sequence[str | None]] = {**shown_by(chosen, evidence)}
    if hidden is not None:
        shown[hidden] = [None] * len(chosen)
    said = evidence.hear(shown, len(chosen))
    leaves = {}
    for kind in RICHEST_FIRST:
        has_image = np.full(len(chosen), "image" in kind.witnesses)
        fused = evidence.fuse(of_image, has_image, said, frozenset(kind.witnesses))
        leaves[kind] = LeavesSaid.of(fused.probabilities, levels)
    return _Side(chosen, images, shown, said, leaves)


def _examples(
    name: str,
    values: Sequence[str],
    train: pd.DataFrame,
    evidence: EvidenceModel | None,
    titles: TitleVectors | None,
    images: ImageFeatures,
    item_of: np.ndarray,
) -> Examples:
    codes = pd.Index(values).get_indexer(pd.Index(train[passthrough(name)]))
    labelled = np.flatnonzero(codes >= 0)
    index_of = np.full(len(train), -1)
    index_of[labelled] = np.arange(len(labelled))
    of_labelled = index_of[item_of] >= 0
    shown = {other: train[passthrough(other)].iloc[labelled].tolist() for other in _others(evidence, name)}
    return Examples(
        codes[labelled], train["leaf"].to_numpy()[labelled], images.matrix[of_labelled],
        index_of[item_of[of_labelled]], titles.only(labelled) if titles else None, shown,
    )  # fmt: skip


def _others(evidence: EvidenceModel | None, name: str) -> list[str]:
    """The columns that an attribute reads: those that the bundle does, but for its own."""
    return [other for other in evidence.names_of("columns") if other != name] if evidence else []


def _everything(attribute: Attribute, looked: _Side, card: ModelCard) -> Said:
    """What all witnesses say of the values of one side's items."""
    by_image = AttributesModel("", "", (attribute,)).by_image(looked.images.matrix).astype(np.float32)
    pooled = pool_images(by_image, looked.images.rows, card.image_pool).probabilities
    said = attribute.hear(looked.said, looked.shown, len(looked.items))
    has_image = np.ones(len(looked.items), bool)
    return Said({"image": pooled, **said.probabilities}, {"image": has_image, **said.speaks})


def _weighed(attribute: Attribute, val: _Side, card: ModelCard, evidence: EvidenceModel | None) -> Attribute:
    """The attribute with weights for every kind of evidence that val items with a value have."""
    codes = pd.Index(attribute.values).get_indexer(pd.Index(val.items[passthrough(attribute.name)]))
    everything = _everything(attribute, val, card)
    weights = {}
    for kind in RICHEST_FIRST:
        if kind is not Evidence.IMAGE and (evidence is None or kind not in evidence.weights):
            continue
        rows = np.flatnonzero(everything.having(kind) & (codes >= 0))
        if len(rows):
            of_leaves = attribute.of_leaves(LeavesSaid(*(part[rows] for part in val.leaves[kind])))
            parts = [*everything.of(rows, kind), of_leaves]
            weights[kind] = fit_weights(parts, kind, attribute.prior, codes[rows])
    return replace(attribute, weights=weights)


def _predicted(
    attribute: Attribute, side: str, looked: _Side, card: ModelCard, no_value: NoValue
) -> Iterator[pd.DataFrame]:
    """Predictions of the items that have a label, by each kind of evidence."""
    labels = looked.items[passthrough(attribute.name)].to_numpy(object)
    is_labelled = np.array([not no_value.means_none(label) for label in labels], bool)
    everything = _everything(attribute, looked, card)
    values = np.array(attribute.values, object)
    for kind in attribute.kinds:
        rows = np.flatnonzero(everything.having(kind) & is_labelled)
        leaves = LeavesSaid(*(part[rows] for part in looked.leaves[kind]))
        probabilities = attribute.probabilities(everything.of(rows, kind), kind, leaves)
        yield pd.DataFrame({
            "side": side, "attribute": attribute.name, "evidence": str(kind),
            "id": looked.items["id"].to_numpy(object)[rows], "label": labels[rows],
            "value": values[probabilities.argmax(axis=1)], "confidence": probabilities.max(axis=1),
        })  # fmt: skip
