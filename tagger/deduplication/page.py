"""A page of duplicate groups and of pairs to judge: one HTML file without external resources."""

import shlex
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from jinja2 import Environment, FileSystemLoader, select_autoescape

from tagger.evaluation.pictures import Pictures
from tagger.exports.csv import harmless

_MAX_SHOWN = 24


def page_of(groups: pa.Table, pictures: Pictures, count: int, sample: pd.DataFrame, folder: str) -> str:
    """Render the page as HTML.

    Args:
        groups: Groups, by DUPLICATE.
        pictures: Reads their images.
        count: Groups to show: those whose labels differ first, then the largest.
        sample: Pairs to judge, the result of `sample_of`.
        folder: Where the groups are written, for the command that opens them in a review.
    """
    frame = groups.to_pandas()
    order = frame.drop_duplicates("group").sort_values(["conflict", "group"], ascending=[False, True])
    chosen = order["group"].head(count).tolist()
    items = frame[frame["group"].isin(chosen)].groupby("group").head(_MAX_SHOWN)
    of_pairs = [uri for name in ("first", "second") for uri in sample[f"{name}.imageUri"]]
    thumbnails = pictures.of([*items["imageUri"], *of_pairs])
    shown = [_group(frame[frame["group"] == number], thumbnails) for number in chosen]
    templates = Path(__file__).parent / "templates"
    environment = Environment(loader=FileSystemLoader(templates), autoescape=select_autoescape(), trim_blocks=True)
    pairs = [_pair(row, thumbnails) for row in sample.to_dict("records")]
    page = environment.get_template("duplicates.html")
    return page.render(groups=shown, all=frame["group"].nunique(), pairs=pairs, folder=shlex.quote(folder))


def _group(items: pd.DataFrame, thumbnails: dict[str, str]) -> dict[str, object]:
    first = items.head(_MAX_SHOWN)
    rows = first.assign(picture=first["imageUri"].map(thumbnails).fillna("")).to_dict("records")
    return {
        "rows": rows,
        "size": len(items),
        "conflict": bool(items["conflict"].any()),
        "more": len(items) - len(first),
    }


def _pair(row: Mapping[Hashable, Any], thumbnails: dict[str, str]) -> dict[str, object]:
    names = ("id", "masterCategory", "articleType", "labelled", "imageUri")
    items = [{name: row[f"{side}.{name}"] for name in names} for side in ("first", "second")]
    for item in items:
        item["picture"] = thumbnails.get(item["imageUri"] or "", "")
    cells = [harmless(items[0]["id"]), harmless(items[1]["id"]), f"{row['structure']:.6g}"]
    return {"items": items, "cells": cells, "different": not pd.isna(row["judged"]) and not row["judged"]}
