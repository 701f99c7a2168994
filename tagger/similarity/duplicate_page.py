"""A page of the groups of items that show one picture: one file that loads nothing."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
from jinja2 import Environment, FileSystemLoader, select_autoescape

from tagger.evaluation.pictures import Pictures

_MOST_SHOWN = 24


def page_of(groups: pa.Table, pictures: Pictures, count: int) -> str:
    """The page.

    Args:
        groups: By DUPLICATE.
        pictures: Reads their images.
        count: Groups to show; those whose labels differ come first, then the largest.
    """
    frame = groups.to_pandas()
    order = frame.drop_duplicates("group").sort_values(["conflict", "group"], ascending=[False, True])
    chosen = order["group"].head(count).tolist()
    items = frame[frame["group"].isin(chosen)].groupby("group").head(_MOST_SHOWN)
    found = pictures.of(items["imageUri"].tolist())
    shown = [_group(frame[frame["group"] == number], found) for number in chosen]
    folder = Path(__file__).parent / "templates"
    environment = Environment(loader=FileSystemLoader(folder), autoescape=select_autoescape(), trim_blocks=True)
    return environment.get_template("duplicates.html").render(groups=shown, all=frame["group"].nunique())


def _group(items: pd.DataFrame, pictures: dict[str, str]) -> dict[str, object]:
    first = items.head(_MOST_SHOWN)
    rows = first.assign(picture=first["imageUri"].map(pictures).fillna("")).to_dict("records")
    return {
        "rows": rows,
        "size": len(items),
        "conflict": bool(items["conflict"].any()),
        "more": len(items) - len(first),
    }
