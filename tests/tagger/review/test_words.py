"""What the page says, in plain words and with both levels."""

from datetime import datetime

import pytest

from tagger.review.store.records import Action, Conflict, Entry
from tagger.review.web.texts import Texts
from tagger.review.web.words import action_text, conflict_text, entry_text, field_text, status_text

WHEN = datetime(2026, 1, 2)
T = Texts("en")


@pytest.mark.parametrize(
    ("verdict", "master", "article", "text"),
    [
        ("corrected", "Accessories", "Tshirts", "Changed to Tshirts (Accessories)"),
        ("master_only", "Apparel", None, "Only the category: Apparel"),
        ("unusable", None, None, "Marked as unusable"),
        ("skipped", None, None, "Skipped"),
        ("shown again", None, None, "One skipped item shown again"),
        ("undone", None, None, "Undone"),
    ],
)
def test_history_names_both_levels(verdict: str, master: str | None, article: str | None, text: str) -> None:
    assert entry_text(T, Entry(1, verdict, master, article, "Ann", WHEN), is_audit=False) == text


def test_what_a_key_press_did_is_told_in_the_words_of_what_is_reviewed() -> None:
    kept = Action("accepted", "Apparel", "Tops", 1200, is_undo=False)
    assert action_text(T, [kept], is_audit=False) == "1,200 accepted as Tops (Apparel)."
    assert action_text(T, [kept], is_audit=True) == "1,200 labels kept: Tops (Apparel)."
    both = [Action("corrected", "Apparel", "Tops", 2, is_undo=True), Action("refused", None, None, 1, is_undo=True)]
    assert (
        action_text(T, both, is_audit=False)
        == "Undone: 2 changed to Tops (Apparel), One item marked as wrong, to be seen in the queue."
    )
    assert action_text(T, [], is_audit=False) == ""
    assert action_text(Texts("de"), [kept], is_audit=False) == "1.200 als Tops (Apparel) bestätigt."


def test_a_conflict_names_who_it_is_with() -> None:
    assert conflict_text(T, Conflict("decided", 7, "Berta")) == "Berta just decided this item."
    assert conflict_text(T, Conflict("decided", 7, "Ann", is_own=True)) == "You decided this item in another window."
    assert conflict_text(T, Conflict("open")) == "Someone has this item open."


def test_errors_are_not_the_frameworks() -> None:
    assert field_text(T, ["least"], "Input should be a valid number") == "Confidences are numbers from 0 to 100."
    assert field_text(T, ["image"], "Expected UploadFile, received: <class 'str'>") == "Choose an image file first."
    assert status_text(T, 404, "Not Found") == "There is no such page."
    assert status_text(T, 404, "No item 'x' is in this review.") == "No item 'x' is in this review."
