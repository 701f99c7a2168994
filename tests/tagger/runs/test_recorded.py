"""Relative paths of a run's config begin where its command ran."""

from pathlib import Path

import pytest

from tagger.io.location import Location
from tagger.runs.recorded import config_of
from tests.tagger.runs.test_ledger import RECORD_OF


@pytest.mark.parametrize(
    ("out", "root", "manifest"),
    [
        ("runs/monday", "/shop/runs/monday", "/shop/styles.csv"),
        ("./monday", "/moved/monday", "/moved/styles.csv"),
        ("monday", "/shop/tuesday", "styles.csv"),
        ("../monday", "/shop/monday", "styles.csv"),
        ("/shop/monday", "/shop/monday", "styles.csv"),
    ],
)
def test_the_place_of_the_run_says_where(out: str, root: str, manifest: str) -> None:
    given = {"out": out, "manifest": "styles.csv", "images": "column:url", "model": "s3://models/one"}
    found = config_of(Location(root), RECORD_OF.model_copy(update={"config": given}))
    assert found == {**given, "manifest": manifest}


def test_other_folders_of_images_are_found_too(tmp_path: Path) -> None:
    given = {"out": "run", "manifest": "m.csv", "images": "./images/{id}.jpg", "images_root": "images", "model": "b"}
    found = config_of(Location(f"{tmp_path}/run"), RECORD_OF.model_copy(update={"config": given}))
    assert found["images"] == f"{tmp_path}/images/{{id}}.jpg"
    assert found["images_root"] == f"{tmp_path}/images"
    assert found["model"] == f"{tmp_path}/b"
    assert given["manifest"] == "m.csv"
