"""Decisions of people over a manifest's labels."""

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from tagger.decisions.labels import REVIEWED, ReviewedLabels
from tagger.manifest.manifest import Manifest
from tagger.manifest.selection import tagged
from tagger.schemas.tables.decision import DECISION
from tests.builders import manifest_of


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    file = tmp_path / "m.csv"
    file.write_text(
        "id,masterCategory,articleType,gender\n1,A,x,Men\n2,A,x,Men\n3,,,Men\n4,A,x,Men\n5,A,x,Men\n6,A,x,Men\n"
    )
    return manifest_of(file)


def labels(*rows: tuple[str, str, str | None, str | None, int]) -> ReviewedLabels:
    decided = [
        {
            "id": item,
            "verdict": verdict,
            "masterCategory": master,
            "articleType": article,
            "decidedBy": "Ann",
            "decidedAt": datetime(2026, 1, day, tzinfo=UTC),
        }
        for item, verdict, master, article, day in rows
    ]
    return ReviewedLabels([pa.Table.from_pylist(decided, schema=DECISION)])


SAID = labels(
    ("1", "accepted", "A", "x", 1),
    ("2", "corrected", "A", "z", 3),
    ("2", "corrected", "A", "y", 2),
    ("3", "corrected", "B", "z", 1),
    ("4", "master_only", "A", None, 1),
    ("5", "unusable", None, None, 1),
    ("99", "accepted", "A", "x", 1),
)


def test_what_people_decided_stands_in_place_of_the_manifests_labels(manifest: Manifest) -> None:
    manifest.relabel(SAID)
    (batch,) = manifest.batches()
    found = batch.items.to_pydict()
    assert found["id"] == ["1", "2", "3", "4", "5", "6"]
    assert found["masterCategory"] == ["A", "A", "B", "A", None, "A"]
    assert found["articleType"] == ["x", "z", "z", None, None, "x"]
    assert found[REVIEWED] == ["confirmed", "changed", "new", "removed", "removed", None]
    assert found["gender"] == ["Men"] * 6
    assert tagged(batch).tolist() == [True, True, True, False, False, True]
    assert SAID.counts == {"confirmed": 1, "changed": 1, "new": 1, "removed": 2, "absent": 1}


def test_other_decisions_make_another_manifest_of_it(manifest: Manifest) -> None:
    before = manifest.fingerprint()
    manifest.relabel(labels(("1", "accepted", "A", "x", 1)))
    once = manifest.fingerprint()
    manifest.relabel(labels(("1", "corrected", "A", "y", 1)))
    assert len({before, once, manifest.fingerprint()}) == 3


def test_a_manifest_without_labels_gets_those_that_were_decided(tmp_path: Path) -> None:
    (tmp_path / "bare.csv").write_text("id\n1\n2\n")
    manifest = manifest_of(tmp_path / "bare.csv")
    manifest.relabel(labels(("2", "accepted", "A", "x", 1)))
    (batch,) = manifest.batches()
    assert batch.items["articleType"].to_pylist() == [None, "x"]
