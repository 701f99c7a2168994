"""What jobs take from libraries, whichever allowed version is installed: run with the lowest ones, too."""

import pandas as pd
import pytest

from tagger.auditing.flipped import flip_labels
from tagger.workflows import open_catalog as inputs


def test_a_library_that_is_absent_has_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "_LIBRARIES", ("numpy", "a-library-that-nobody-has"))
    assert set(inputs.versions()) == {"python", "numpy"}


def test_labels_that_are_made_wrong_leave_the_catalogue_as_it_is() -> None:
    labels = [("Apparel", "Tops"), ("Apparel", "Socks"), ("Footwear", "Shoes"), ("Accessories", "Bags")] * 25
    items = pd.DataFrame(labels, columns=["masterCategory", "articleType"])
    before = items.copy(deep=True)
    wrong, flipped = flip_labels(items, share=0.5, min_items=5, seed=0)
    assert flipped.sum() > 20
    assert (wrong["articleType"] != before["articleType"]).sum() == flipped.sum()
    pd.testing.assert_frame_equal(items, before)
