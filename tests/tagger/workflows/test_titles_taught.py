"""The titles of the items that a bundle is taught them of."""

from pathlib import Path

import pandas as pd

from tagger.reporter import LOG
from tagger.schemas.configs.options import ManifestFormat
from tagger.workflows.open_catalog import open_manifest
from tagger.workflows.titles_taught import with_titles


def test_an_item_of_a_file_without_titles_has_none_and_ends_no_training(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text("id,name\na,Red shirt\nb, \n")
    (tmp_path / "2.csv").write_text("id\nc\n")
    items = pd.DataFrame({"id": ["a", "b", "c"], "split": ["train", "val", "test"], "leaf": [0, 1, 0], "times": 1})
    sides = with_titles(items, open_manifest(str(tmp_path), ManifestFormat(), LOG), "name")
    assert {side: rows["title"].tolist() for side, rows in sides.items()} == {
        "train": ["Red shirt"], "val": [""], "test": [""],
    }  # fmt: skip
