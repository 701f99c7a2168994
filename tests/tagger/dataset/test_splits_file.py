from pathlib import Path

import pandas as pd
import pytest

from tagger.dataset.splits_file import SPLITS_FILE, read_splits
from tagger.errors import InputError, UsageError
from tagger.io.location import Location


def test_the_side_of_each_item_is_read_by_its_id(tmp_path: Path) -> None:
    table = pd.DataFrame({"id": ["07", "8", "9"], "split": ["train", "test", "val"]})
    table.to_parquet(tmp_path / SPLITS_FILE, index=False)
    sides = read_splits(Location(str(tmp_path)))
    assert sides.to_dict() == {"07": "train", "8": "test", "9": "val"}
    assert pd.Series(["9", "10", "07"]).map(sides).fillna("").tolist() == ["val", "", "train"]


def test_a_missing_folder_is_a_wrong_path_and_a_bundle_without_the_file_a_wrong_input(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--bundle: there is no .*none/splits.parquet, which says what was trained"):
        read_splits(Location(str(tmp_path / "none")), "--bundle")
    with pytest.raises(InputError, match="which says what was trained on"):
        read_splits(Location(str(tmp_path)))


def test_a_file_that_is_no_split_names_what_it_lacks(tmp_path: Path) -> None:
    (tmp_path / SPLITS_FILE).write_text("id,split\n")
    with pytest.raises(InputError, match="not a readable Parquet file"):
        read_splits(Location(str(tmp_path)))
    pd.DataFrame({"id": ["1"]}).to_parquet(tmp_path / SPLITS_FILE, index=False)
    with pytest.raises(InputError, match="has no column split"):
        read_splits(Location(str(tmp_path)))
