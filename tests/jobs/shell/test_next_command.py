"""The line with which a command ends."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tagger.jobs.shell.next_command import UNKNOWN, next_line, next_on_catalogue
from tagger.schemas.configs.options import CatalogOptions, S3Options
from tests.conftest import Outcome
from tests.indexes import made_index


def test_the_next_command_can_be_pasted_whatever_its_paths_hold() -> None:
    assert next_line(S3Options(), "review", "--run", "my runs/1") == "Next: tagger review --run 'my runs/1'"


def test_what_the_user_has_to_fill_in_is_not_quoted() -> None:
    assert next_line(S3Options(), "check", "--manifest", UNKNOWN) == "Next: tagger check --manifest …"


def test_the_next_command_finds_the_same_bucket_and_names_it_once() -> None:
    config = S3Options(s3_endpoint="http://localhost:9000", s3_region="eu-1")
    expected = "Next: tagger apply s3://b/run --s3-endpoint http://localhost:9000 --s3-region eu-1"
    assert next_line(config, "apply", "s3://b/run") == expected
    assert next_line(config, *expected.removeprefix("Next: tagger ").split()) == expected


def test_the_next_command_reads_the_catalogue_as_the_last_one_did_and_can_be_pasted() -> None:
    config = CatalogOptions(
        manifest="my shop/styles.csv", images="images/{id}.jpg", column={"articleType": "Art des Artikels"},
        no_value=["k.A."], follow_links=True,
    )  # fmt: skip
    assert next_on_catalogue(config, "tag", "--model", "b", "--out", "b-run") == (
        "Next: tagger tag --manifest 'my shop/styles.csv' --images 'images/{id}.jpg' --follow-links "
        "--column 'articleType=Art des Artikels' --no-value k.A. --model b --out b-run"
    )


def test_what_was_not_named_is_not_repeated() -> None:
    assert next_on_catalogue(CatalogOptions(manifest="m.csv"), "train") == "Next: tagger train --manifest m.csv"


@pytest.mark.parametrize(
    ("tagged", "expected"),
    [
        (
            {"manifest": "new.csv", "images": "pictures", "column": {"id": "sku"}},
            "--manifest new.csv --images pictures --column id=sku",
        ),
        ({"manifest": "new.csv", "images": None}, "--manifest new.csv"),
        ({}, "--manifest … --images …"),
    ],
)
def test_after_similar_it_reads_the_catalogue_that_was_indexed_and_not_the_one_that_was_learnt(
    tagger: Callable[..., Outcome], bundle_dir: Path, tmp_path: Path, tagged: dict[str, object], expected: str
) -> None:
    items = pd.DataFrame({"id": ["1", "2"], "imageUri": "x.jpg", "imageDigest": ["a", "b"]})
    items = items.assign(masterCategory="Apparel", articleType="Shirts")
    made_index(tmp_path / "index", items, np.eye(2), model=bundle_dir, catalogue=tagged)
    shown = tagger("similar", tmp_path / "index", "--id", "1")
    assert shown.code == 0, shown.err
    index = tmp_path / "index"
    assert shown.out.splitlines()[-1] == f"Next: tagger duplicates {index} {expected} --out {index}-duplicates"
