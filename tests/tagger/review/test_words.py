"""What the page says, in plain words and with both levels."""

from datetime import datetime

import pytest

from tagger.review.store.records import Action, Entry
from tagger.review.web.words import action_text, entry_text, field_text, status_text

WHEN = datetime(2026, 1, 2)


@pytest.mark.parametrize(
    ("verdict", "master", "article", "text"),
    [
        ("corrected", "Accessories", "Tshirts", "corrected: Tshirts (Accessories)"),
        ("master_only", "Apparel", None, "master only: Apparel"),
        ("unusable", None, None, "unusable"),
        ("skipped", None, None, "skipped"),
    ],
)
def test_history_names_both_levels(verdict: str, master: str | None, article: str | None, text: str) -> None:
    assert entry_text(Entry(1, verdict, master, article, "Ann", WHEN)) == text


def test_what_a_key_press_did_is_told_in_the_words_of_what_is_reviewed() -> None:
    kept = Action("accepted", "Apparel", "Tops", 1200, is_undo=False)
    assert action_text([kept], is_audit=False) == "1,200 accepted as Tops (Apparel). Undo (u)"
    assert action_text([kept], is_audit=True) == "1,200 kept as Tops (Apparel). Undo (u)"
    both = [Action("corrected", "Apparel", "Tops", 2, is_undo=True), Action("refused", None, None, 1, is_undo=True)]
    assert (
        action_text(both, is_audit=False)
        == "Taken back: 2 changed to Tops (Apparel), 1 marked as wrong (see the queue)."
    )
    assert action_text([], is_audit=False) == ""


def test_errors_are_not_the_frameworks() -> None:
    assert field_text(["least"], "Input should be a valid number") == "Confidences are numbers from 0 to 100."
    assert field_text(["image"], "Expected UploadFile, received: <class 'str'>") == "Choose an image file first."
    assert status_text(404, "Not Found") == "There is no such page."
    assert status_text(404, "No item 'x' is in this review.") == "No item 'x' is in this review."
