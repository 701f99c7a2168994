"""Attributes of predictions: named, accepted by their own policies, and restored from stored rows."""

import numpy as np
import pyarrow as pa
import pytest

from tagger.models.attributes import AttributesModel
from tagger.schemas.documents.bundle import AttributePolicy, LevelPolicy
from tagger.schemas.tables.prediction import PREDICTION, Evidence
from tagger.tagging.attributes import VALUED, AttributeRows
from tests.tagger.models.test_attributes import an_attribute

MODEL = AttributesModel("m", "", (an_attribute("colour"), an_attribute("lining")))
IMAGE, BOTH, TITLE = (kind.code for kind in (Evidence.IMAGE, Evidence.IMAGE_AND_COLUMNS, Evidence.TITLE))


def level(accept_above: float | None, **classes: float | None) -> LevelPolicy:
    return LevelPolicy(
        target_precision=0.9, accept_above=accept_above, classes=classes, coverage=1, precision=1, at_least=0.9
    )


@pytest.fixture
def found() -> np.ndarray:
    """Three items: a colour and a lining; a lining alone; nothing."""
    rows = [
        [(2, 0.8, IMAGE), (0, 0.95, BOTH)],
        [(-1, 0.0, -1), (1, 0.6, TITLE)],
        [(-1, 0.0, -1), (-1, 0.0, -1)],
    ]
    return np.array(rows, VALUED)


def test_attributes_are_named_and_restored_from_their_column(found: np.ndarray) -> None:
    rows = AttributeRows(MODEL, {})
    column = rows.column(found, np.array([True, True, False]))
    assert column.type == PREDICTION.field("attributes").type
    assert column.to_pylist() == [
        [
            {"name": "colour", "value": "red", "confidence": pytest.approx(0.8), "decision": "review",
             "evidence": "image"},
            {"name": "lining", "value": "black", "confidence": pytest.approx(0.95), "decision": "accept",
             "evidence": "image+columns"},
        ],
        [{"name": "lining", "value": "white", "confidence": pytest.approx(0.6), "decision": "review",
          "evidence": "title"}],
        None,
    ]  # fmt: skip
    restored = rows.stored(column)
    for name in ("value", "confidence"):
        assert (restored[name] == found[name]).all()
    assert (restored["evidence"][found["value"] >= 0] == found["evidence"][found["value"] >= 0]).all()
    assert (rows.are_accepted_in(column) == rows.accepted(found)).all()
    assert (rows.unpacked(found[0].tobytes()) == found[0]).all()


def test_each_attribute_has_thresholds_for_each_kind_of_evidence_and_of_some_values(found: np.ndarray) -> None:
    policy = AttributePolicy(
        probability=0.95, fitted_on={Evidence.IMAGE: 9},
        by_evidence={Evidence.IMAGE: level(0.9, red=0.7), Evidence.TITLE: level(None)},
    )  # fmt: skip
    accepted = AttributeRows(MODEL, {"colour": policy, "lining": policy}).accepted(found)
    assert accepted.tolist() == [[True, False], [False, False], [False, False]], "what no policy covers is reviewed"
    lax = AttributePolicy(probability=0.95, fitted_on={}, by_evidence={kind: level(0.5) for kind in Evidence})
    assert AttributeRows(MODEL, {"lining": lax}).accepted(found).tolist() == [
        [False, True], [False, True], [False, False],
    ]  # fmt: skip


def test_a_column_of_other_attributes_and_values_is_read_without_them() -> None:
    known = {"confidence": 0.9, "decision": "accept", "evidence": None}
    rows = [
        [{"name": "size", "value": "L", **known}, {"name": "colour", "value": "black", **known}],
        [{"name": "colour", "value": "puce", **known}],
    ]
    column = pa.array(rows, PREDICTION.field("attributes").type)
    restored = AttributeRows(MODEL, {}).stored(column)
    assert restored["value"].tolist() == [[0, -1], [-1, -1]]
    assert restored["evidence"][0, 0] == IMAGE
