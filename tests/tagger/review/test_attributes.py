"""What the form of the review page says of further tags: what a person changed or ticked, and nothing else."""

from collections.abc import Mapping
from typing import Any

import pytest

from tagger.review.store.leaves import LeafCounts, Leaves
from tagger.review.store.records import Change, Entry, QueuedItem, SetAttributes
from tagger.review.web.answers import change_of, change_of_copy, changes_of_grid
from tagger.review.web.attributes import attributes_set, choices_of
from tagger.review.web.refusal import RefusalError
from tagger.review.web.texts import Texts
from tagger.review.web.words import entry_text
from tagger.schemas.tables.decision import Verdict
from tests.tagger.review.queue_rows import LEAF_PAIRS, row
from tests.tagger.review.test_words import WHEN

ATTRIBUTES = {"gender": ("Men", "Women"), "season": ("Summer", "Winter"), "usage": ("Casual", "Formal")}
LEAVES = Leaves(LEAF_PAIRS, LeafCounts(None, [True] * len(LEAF_PAIRS)))
WOMEN: SetAttributes = [{"name": "gender", "value": "Women"}]
UNTOUCHED = {"attribute:gender": "is:Men", "attribute:season": "is:Summer", "attribute:usage": ""}


def item(position: int = 1, **more: Any) -> QueuedItem:
    """An item whose gender is sure, whose season is not, and whose usage was not predicted."""
    predicted = [
        {"name": "gender", "value": "Men", "confidence": 0.95, "decision": "accept"},
        {"name": "season", "value": "Summer", "confidence": 0.5, "decision": "review"},
    ]
    empty: dict[str, Any] = dict.fromkeys(
        ("suggested_master", "suggested_article", "suggested_confidence", "current", "flag", "proposal")
    )
    return QueuedItem(**{**row(position), **empty, "refused": False, "attributes": predicted, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize("form", [{}, UNTOUCHED], ids=["no fields", "all fields"])
def test_what_nobody_touched_stays_the_models_whether_it_is_sure_or_not(form: Mapping[str, str]) -> None:
    assert attributes_set(item(), ATTRIBUTES, form) is None


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"attribute:gender": "is:Women"}, WOMEN),
        ({"attribute:gender": "none"}, [{"name": "gender", "value": None}]),
        ({"attribute:usage": "is:Formal"}, [{"name": "usage", "value": "Formal"}]),
        ({"attribute:usage": "none"}, [{"name": "usage", "value": None}]),
        ({"right:season": "true"}, [{"name": "season", "value": "Summer"}]),
        ({"right:season": "true", "attribute:season": "is:Winter"}, [{"name": "season", "value": "Winter"}]),
        ({"right:usage": "true"}, None),
    ],
)
def test_what_was_changed_or_ticked_is_set(fields: dict[str, str], expected: SetAttributes | None) -> None:
    assert attributes_set(item(), ATTRIBUTES, UNTOUCHED | fields) == expected


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"attribute:colour": "is:Red"}, "This page has no further tag “colour”."),
        ({"right:colour": "true"}, "This page has no further tag “colour”."),
        ({"attribute:gender": "is:Cats"}, "gender has no value “Cats”."),
        ({"attribute:gender": ""}, "gender has no value “”."),
        ({"attribute:gender": "Men"}, "gender has no value “Men”."),
    ],
)
def test_what_the_page_does_not_have_is_refused(fields: dict[str, str], message: str) -> None:
    with pytest.raises(RefusalError) as caught:
        attributes_set(item(), ATTRIBUTES, UNTOUCHED | fields)
    assert (caught.value.status, Texts("en")(caught.value.key, **caught.value.values)) == (422, message)


def test_an_audit_has_no_further_tags() -> None:
    assert list(choices_of(item(), {}, None)) == []
    with pytest.raises(RefusalError):
        attributes_set(item(), {}, {"attribute:gender": "is:Men"})


def test_a_value_called_none_is_not_the_absence_of_one() -> None:
    attributes = {"gender": ("Men", "none")}
    assert attributes_set(item(), attributes, {"attribute:gender": "is:none"}) == [{"name": "gender", "value": "none"}]
    assert attributes_set(item(), attributes, {"attribute:gender": "none"}) == [{"name": "gender", "value": None}]


def test_the_page_shows_the_prediction_or_what_the_standing_decision_sets() -> None:
    fresh = {c.name: (c.chosen, c.is_unsure, c.is_confirmed) for c in choices_of(item(), ATTRIBUTES, None)}
    assert fresh == {
        "gender": ("is:Men", False, False), "season": ("is:Summer", True, False), "usage": ("", False, False)
    }  # fmt: skip
    standing: SetAttributes = [{"name": "season", "value": "Summer"}, {"name": "usage", "value": None}, *WOMEN]
    decided = {c.name: (c.chosen, c.is_unsure, c.is_confirmed) for c in choices_of(item(), ATTRIBUTES, standing)}
    assert decided == {
        "gender": ("is:Women", False, False), "season": ("is:Summer", True, True), "usage": ("none", False, False)
    }  # fmt: skip


def test_what_a_decided_item_shows_is_set_again_when_it_is_decided_again() -> None:
    standing: SetAttributes = [*WOMEN, {"name": "season", "value": "Summer"}, {"name": "usage", "value": None}]
    form = {f"attribute:{c.name}": c.chosen for c in choices_of(item(), ATTRIBUTES, standing)}
    form |= {f"right:{c.name}": "true" for c in choices_of(item(), ATTRIBUTES, standing) if c.is_confirmed}
    assert attributes_set(item(), ATTRIBUTES, form) == standing


@pytest.mark.parametrize(
    ("answer", "attributes"), [("leaf:1", WOMEN), ("leaf:0", WOMEN), ("master", WOMEN), ("unusable", None)]
)
def test_every_answer_but_unusable_keeps_the_further_tags(answer: str, attributes: SetAttributes | None) -> None:
    assert change_of(item(), answer, LEAVES, None, WOMEN).attributes == attributes


def test_copies_and_the_grid_get_the_class_alone() -> None:
    change = Change(1, Verdict.ACCEPTED, "Apparel", "Shirts", None, WOMEN)
    assert change_of_copy(change, item(3)).attributes is None
    assert [c.attributes for c in changes_of_grid([item(1), item(3)], "accept", {3}, LEAVES, is_audit=False)] == [None]


def test_history_names_the_further_tags_that_were_set() -> None:
    said = Entry(1, "accepted", "Apparel", "Shirts", "Ann", WHEN, [*WOMEN, {"name": "season", "value": None}])
    text = entry_text(Texts("en"), said, is_audit=False)
    assert text == "Shirts (Apparel) accepted; gender: Women; season: none"
