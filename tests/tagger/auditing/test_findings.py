"""Reasons against labels are combined and ranked."""

import numpy as np
import pandas as pd
import pytest

from tagger.auditing.findings import Judged, dominant_masters, findings, outlier_threshold


def test_most_items_of_an_article_type_say_where_it_belongs() -> None:
    items = pd.DataFrame(
        {
            "masterCategory": ["Apparel"] * 9 + ["Accessories", "Accessories"],
            "articleType": ["Tshirts"] * 9 + ["Tshirts", "Watches"],
        }
    )
    masters = dominant_masters(items)
    assert masters["masterCategory"].tolist() == ["Apparel"] * 10 + ["Accessories"]
    assert masters["share"].tolist() == [0.9] * 10 + [1.0]


def test_an_article_type_of_two_master_categories_is_no_conflict_by_itself() -> None:
    items = pd.DataFrame({"masterCategory": ["Men"] * 20 + ["Women"] * 18, "articleType": "Tshirts"})
    labels = np.array([0] * 20 + [1] * 18)
    sure = np.where(np.eye(2)[labels] > 0, 0.9, 0.1).astype(np.float32)
    leaves = pd.DataFrame({"masterCategory": ["Men", "Women"], "articleType": ["Tshirts", "Tshirts"]})
    judged = Judged(np.arange(38), leaves, labels, sure, None, sure)
    assert findings(items, judged, np.zeros(38), np.zeros(38, bool)).empty


def test_the_outlier_threshold_is_tukeys_outer_fence() -> None:
    assert outlier_threshold(np.arange(101) / 100) == 0.75 + 3 * 0.5
    assert outlier_threshold(np.zeros(0)) == np.inf


def test_findings_name_their_reasons_and_come_by_how_likely_the_label_is_wrong() -> None:
    items = pd.DataFrame(
        {
            "masterCategory": ["Apparel"] * 6 + ["Accessories"] * 6 + ["Free Items"],
            "articleType": ["Shirts"] * 6 + ["Watches"] * 6 + ["Shirts"],
        }
    )
    labels = np.array([0] * 6 + [1] * 6)
    image = np.where(np.eye(2)[labels] > 0, 0.9, 0.1).astype(np.float32)
    title = image.copy()
    image[1], title[1] = [0.05, 0.95], [0.02, 0.98]  # both contradict
    both = image.copy()
    image[7] = [0.97, 0.03]  # the image alone does, and title and image together do not
    leaves = pd.DataFrame({"masterCategory": ["Apparel", "Accessories"], "articleType": ["Shirts", "Watches"]})
    judged = Judged(np.arange(12), leaves, labels, image, title, both)
    distances = np.full(13, 0.1)
    distances[4] = 0.9
    in_conflict = np.arange(13) == 8
    table = findings(items, judged, distances, in_conflict)
    assert dict(zip(table.index, table["reasons"], strict=True)) == {
        1: ["label_error", "image_disagrees", "title_disagrees"],
        12: ["taxonomy_conflict"],
        4: ["outlier"],
        8: ["duplicate_conflict"],
    }
    assert table.index.tolist() == [1, 12, 4, 8], "the outlier before the other, which is as likely wrong"
    suggested = table[["suggestedMasterCategory", "suggestedArticleType"]].to_numpy(object).tolist()
    assert suggested == [["Accessories", "Watches"], ["Apparel", "Shirts"], [None, None], [None, None]]
    assert table["score"].tolist() == pytest.approx([0.95, 6 / 7, 0.1, 0.1], abs=1e-6)
    assert table.loc[8, "titleSays"] == "Watches"
