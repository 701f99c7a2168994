"""Predictions of held-out items by all kinds of evidence, which a bundle's report keeps, and labels that they deny."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa

from tagger.dataset.label_words import without_label
from tagger.evaluation.metrics import Evaluation
from tagger.evaluation.report import ITEMS_BY_SIDE
from tagger.io.location import Location
from tagger.io.parquet import write_parquet
from tagger.models.evidence import EvidenceModel, Said
from tagger.models.levels import Levels
from tagger.runs.leaf_probabilities import LeafProbabilities
from tagger.runs.staging import passthrough
from tagger.schemas.documents.bundle import ModelCard
from tagger.schemas.tables.prediction import Evidence
from tagger.workflows.taught_files import EVIDENCE

IN_WORDS = {
    Evidence.IMAGE: "by the image alone",
    Evidence.IMAGE_AND_TITLE: "by image and title",
    Evidence.IMAGE_AND_COLUMNS: "by image and columns",
    Evidence.IMAGE_TITLE_AND_COLUMNS: "by image, title and columns",
    Evidence.TITLE: "by the title alone",
    Evidence.TITLE_AND_COLUMNS: "by title and columns",
}


def _file_name(evidence: Evidence) -> str:
    return f"by-{'-'.join(evidence.witnesses)}"


KINDS: list[Evidence] = [evidence for evidence in Evidence if evidence != Evidence.IMAGE]
HELD_OUT = {kind: {side: f"{_file_name(kind)}-{file}" for side, file in ITEMS_BY_SIDE.items()} for kind in KINDS}
"""Files in a bundle's report with its predictions of held-out items, by what they are based on."""
CURVES = {kind: f"policy-{_file_name(kind)}" for kind in KINDS}
"""Names, without their endings, of the curves of their policies."""
DENIED = "denied-labels.csv"
"""File in a bundle's report: held-out items whose image and title agree on another article type than their label."""
BARE_TITLES = "test-items-without-type.parquet"
"""File in a bundle's report: predictions of its test items by all that each shows, with the words of its article type
left out of its title."""
_OF_ONE_MODEL = (
    EVIDENCE,
    DENIED,
    BARE_TITLES,
    *(file for files in HELD_OUT.values() for file in files.values()),
    *(f"{curve}.{ending}" for curve in CURVES.values() for ending in ("csv", "svg")),
)
"""Files in a bundle's report that another model of titles and columns makes untrue."""


def delete_held_out(report: Location) -> None:
    """Delete what another model of titles and columns makes untrue."""
    for file in _OF_ONE_MODEL:
        (report / file).delete()


def write_held_out(
    report: Location, card: ModelCard, model: EvidenceModel, image: LeafProbabilities, sides: Mapping[str, pd.DataFrame]
) -> None:
    """Write predictions of held-out items, for every kind of evidence that they have, and the labels that these deny.

    Args:
        report: Folder of the bundle's report.
        card: The bundle's card.
        model: What titles and columns say.
        image: What the images say.
        sides: Items of each side, as for `teach`; those of train are left out.
    """
    denied = []
    for side in ITEMS_BY_SIDE:
        items = sides[side][sides[side]["id"].isin(image.row)] if side in sides else pd.DataFrame()
        if not items.empty:
            said = model.hear(shown_by(items, model), len(items))
            _write_side(report, card, model, image, side, items, said)
            if model.titles:
                denied.append(_denied(card, model, image, items, said))
                if side == "test":
                    _write_bare_titles(report, card, model, image, items, said)
    if denied:
        listing = pd.concat(denied).sort_values(["titleConfidence", "id"], ascending=[False, True])
        (report / DENIED).write_text(listing.to_csv(index=False, float_format="%.4f"))


def shown_by(items: pd.DataFrame, model: EvidenceModel) -> dict[str, list[str]]:
    """What items show beside their images, by column."""
    return {name: items[passthrough(name)].tolist() for name in model.names}


def without_types(items: pd.DataFrame, said: Said, model: EvidenceModel, types: Sequence[str]) -> Said:
    """What items say, with the words of their article types left out of their titles.

    Args:
        items: Their leaf number, and the columns that the model reads.
        said: What they say with their titles as they are.
        model: Reads the titles.
        types: The article type of each leaf, by number.
    """
    if model.titles is None:
        return said
    texts = model.titles.texts(shown_by(items, model), len(items))
    bare = [without_label(text, types[leaf]) for text, leaf in zip(texts, items["leaf"].tolist(), strict=True)]
    probabilities, speaks = model.titles.read(bare)
    return Said({**said.probabilities, "title": probabilities}, {**said.speaks, "title": speaks})


def _write_side(
    report: Location,
    card: ModelCard,
    model: EvidenceModel,
    image: LeafProbabilities,
    side: str,
    items: pd.DataFrame,
    said: Said,
) -> None:
    """Write predictions of the items of one side."""
    ids = items["id"].tolist()
    of_image, levels = image.of(ids), Levels(card.taxonomy)
    for kind in model.kinds:
        only = replace(model, weights={kind: model.weights[kind]})
        has_image = np.full(len(items), "image" in kind.witnesses)
        fused = only.fuse(of_image, has_image, said)
        rows = np.flatnonzero(fused.evidence == kind.code)
        if not len(rows):
            continue
        blur, familiarity = image.blur_scores_of(ids)[rows], image.familiarity_of(ids)[rows]
        if "title" in kind.witnesses:
            blur = np.full(len(rows), np.inf, np.float32)  # no prediction with a title counts as blurry
            types = [levels.choose(p[rows])[2] for p in (fused.probabilities, said.probabilities["title"])]
            familiarity = np.where(types[0] == types[1], np.float32(1), familiarity)  # nor as unfamiliar if it agrees
        columns = pd.DataFrame({"id": items["id"].to_numpy()[rows], "blurScore": blur, "familiarity": familiarity})
        leaves = items["leaf"].to_numpy()[rows]
        evaluation = Evaluation.of_probabilities(side, levels, fused.probabilities[rows], leaves, columns)
        write_parquet(report / HELD_OUT[kind][side], pa.Table.from_pandas(evaluation.table(), preserve_index=False))


def _write_bare_titles(
    report: Location, card: ModelCard, model: EvidenceModel, image: LeafProbabilities, items: pd.DataFrame, said: Said
) -> None:
    """Write predictions of the test items by all that each shows, without the words of its type in its title."""
    types = [leaf.articleType for leaf in card.taxonomy.leaves]
    bare = without_types(items, said, model, types)
    fused = model.fuse(image.of(items["id"].tolist()), np.ones(len(items), bool), bare)
    columns = pd.DataFrame({"id": items["id"], "evidence": [str(list(Evidence)[code]) for code in fused.evidence]})
    leaves = items["leaf"].to_numpy()
    evaluation = Evaluation.of_probabilities("test", Levels(card.taxonomy), fused.probabilities, leaves, columns)
    write_parquet(report / BARE_TITLES, pa.Table.from_pandas(evaluation.table(), preserve_index=False))


def _denied(
    card: ModelCard, model: EvidenceModel, image: LeafProbabilities, items: pd.DataFrame, said: Said
) -> pd.DataFrame:
    """The items whose image and title agree on another article type than their label says."""
    levels = Levels(card.taxonomy)
    label_master, label = levels.classes_of_leaves(items["leaf"].to_numpy())
    of_image = image.of(items["id"].tolist())
    _, _, by_image, image_confidence = levels.choose(of_image)
    title_master, _, by_title, title_confidence = levels.choose(said.probabilities["title"])
    rows = np.flatnonzero(said.speaks["title"] & (by_image == by_title) & (by_title != label))
    together = model.fuse(of_image, np.ones(len(items), bool), said).probabilities[rows]
    masters, types = (np.array(names, object) for names in (levels.masters, levels.types))
    shown = {name: items[passthrough(name)].to_numpy()[rows] for name in model.names_of("title")}
    return pd.DataFrame({
        "id": items["id"].to_numpy()[rows], "split": items["split"].to_numpy()[rows], **shown,
        "masterCategory": masters[label_master[rows]], "articleType": types[label[rows]],
        "suggestedMasterCategory": masters[title_master[rows]], "suggestedArticleType": types[by_title[rows]],
        "imageConfidence": image_confidence[rows], "titleConfidence": title_confidence[rows],
        "labelProbability": levels.of_types(together, label[rows]),
        "suggestionConfidence": levels.of_types(together, by_title[rows]),
    })  # fmt: skip
