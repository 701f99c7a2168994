"""The titles and columns of the items that a bundle is taught."""

from pathlib import Path

import pandas as pd

from tagger.reporter import LOG
from tagger.schemas.configs.options import ManifestFormat
from tagger.workflows.evidence_taught import Asked, with_columns
from tagger.workflows.open_catalog import open_manifest


def test_an_item_of_a_file_without_titles_has_none_and_ends_no_training(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text("id,name\na,Red shirt\nb, \n")
    (tmp_path / "2.csv").write_text("id,gender\nc,Men\n")
    items = pd.DataFrame({"id": ["a", "b", "c"], "split": ["train", "val", "test"], "leaf": [0, 1, 0], "times": 1})
    asked = Asked(["name"], ["gender", "name"])
    sides = with_columns(items, open_manifest(str(tmp_path), ManifestFormat(), LOG), asked)
    shown = {side: rows[["column:name", "column:gender"]].values.tolist() for side, rows in sides.items()}
    assert shown == {"train": [["Red shirt", ""]], "val": [["", ""]], "test": [["", "Men"]]}
