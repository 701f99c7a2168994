"""A trial of the duplicates job: altered copies are planted among the images of an index; how many does it find?"""

from dataclasses import asdict

import numpy as np
import pandas as pd
import pyarrow as pa

from tagger.deduplication.groups import IndexLayouts, Pictures
from tagger.deduplication.planted import (
    Copies,
    Counts,
    Kind,
    PlantedImages,
    PlantedLayouts,
    count,
    drawn,
    judged_pairs,
    make_copies,
)
from tagger.errors import InputError, UsageError
from tagger.images.stores import ImageStore
from tagger.jobs.shell.console import Console
from tagger.models.bundle import Bundle
from tagger.schemas.configs.similarity import DuplicatesConfig
from tagger.schemas.documents.bundle import Preprocessing
from tagger.similarity.index import VectorIndex
from tagger.workflows.alike import alike, compared, refs_of
from tagger.workflows.open_catalog import place

_TRIED = (0.7, 0.75, 0.8, 0.85, 0.9, 0.95)


def try_out(
    config: DuplicatesConfig, console: Console, index: VectorIndex, pictures: Pictures, store: ImageStore
) -> int:
    """Plant altered copies among the images, and say how many are found, and how many wrong pairs they make."""
    preprocessing = _preprocessing(config, index)
    refs = refs_of(index, pictures)
    ids = index.items["id"].take(pa.array(pictures.items)).to_pylist()
    places = drawn(ids, config.plant, config.seed)
    console.step(f"Altering copies of {len(places):,} of {len(refs):,} images")
    copies = make_copies(places, refs, store, config.max_pixels, config.seed)
    origins = len(np.unique(copies.origins))
    if not origins:
        raise InputError(f"--plant: none of {len(places):,} images could be read; are they in --images?")
    if origins < len(places):
        console.warn(f"{len(places) - origins:,} of these images could not be read, and have no copies")
    own = IndexLayouts(index, pictures.items)
    pairs = alike(console, PlantedLayouts(own, copies, preprocessing, config.max_pixels))
    images = PlantedImages(store, dict(zip(copies.refs, copies.files, strict=True)))
    pairs = compared(config, console, pairs[copies.concern(pairs)], [*refs, *copies.refs], images, config.structure)
    _say_of_planted(config, console, judged_pairs(pairs, copies), copies)
    return 0


def _preprocessing(config: DuplicatesConfig, index: VectorIndex) -> Preprocessing:
    """That by which the index's layouts were made. Raises UsageError for another bundle, or none."""
    model = config.model or index.card.model
    if model is None:
        raise UsageError("--model: name the bundle that the index was made with; --plant needs its preprocessing")
    card = Bundle.load(place(model, config)).card
    if card.model_id != index.card.model_id:
        raise UsageError(f"--model: {model} is {card.model_id}, but the index was made with {index.card.model_id}")
    return card.preprocessing


def _say_of_planted(config: DuplicatesConfig, console: Console, judged: pd.DataFrame, copies: Copies) -> None:
    same = judged["same"].to_numpy(bool)
    kinds = {str(kind): count(judged, copies, same, kind) for kind in Kind}
    kinds["all"] = count(judged, copies, same)
    console.table(
        f"Altered copies of {len(np.unique(copies.origins)):,} of {copies.own:,} images, at --structure "
        f"{config.structure:g} and --colour {config.colour:g}",
        ["copies", "planted", "found %", "pairs", "precision %"],
        [(name, c.copies, _percent(c.recall), c.pairs, _percent(c.precision)) for name, c in kinds.items()],
    )
    alike = (judged["colour"] <= config.colour).to_numpy(bool)
    reached = {
        structure: count(judged, copies, alike & (judged["structure"] >= structure).to_numpy(bool))
        for structure in _TRIED
    }
    console.table(
        "At other thresholds",
        ["--structure", "found %", "pairs", "precision %"],
        [(f"{at:.2f}", _percent(c.recall), c.pairs, _percent(c.precision)) for at, c in reached.items()],
    )
    console.say(
        "A pair of a copy and an own image is right where that image and the copy's origin count as one picture by "
        "--structure and --colour, too. How right those pairs are, people can judge: on the page that --out writes."
    )
    console.result(
        {
            "plant": len(np.unique(copies.origins)),
            "images": copies.own,
            "kinds": [{"kind": name, **_figures(counts)} for name, counts in kinds.items()],
            "thresholds": [{"structure": at, **_figures(counts)} for at, counts in reached.items()],
        }
    )


def _figures(counts: Counts) -> dict[str, object]:
    return {**asdict(counts), "recall": counts.recall, "precision": counts.precision}


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f}"
