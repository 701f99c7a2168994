"""Two runs side by side: who agrees, who is likelier right, and a test that is exact."""

import pandas as pd
import pyarrow as pa
import pytest
from scipy.stats import binom

from tagger.comparing.judging import JudgedPairs, blind_queue, drawn, judged_pairs
from tagger.comparing.pairs import ARTICLE, MASTER, NEW, OLD, McNemar, expected_right, mcnemar, moves, pairs_of
from tagger.schemas.tables.prediction import PREDICTION

SHIRT, TEE, SHOE = ("Apparel", "Shirts"), ("Apparel", "Tshirts"), ("Footwear", "Heels")


def run(*rows: tuple[str, tuple[str, str] | None, float, dict[tuple[str, str], float], str]) -> list[pa.Table]:
    """Predictions: id, leaf, confidence, alternatives, decision."""
    return [
        pa.Table.from_pylist(
            [
                {
                    "id": item, "imageUri": f"{item}.jpg", MASTER: leaf and leaf[0], ARTICLE: leaf and leaf[1],
                    f"{MASTER}Confidence": sure, f"{ARTICLE}Confidence": sure,
                    "alternatives": [{MASTER: m, ARTICLE: a, "confidence": c} for (m, a), c in others.items()],
                    "decision": decision, "reviewReasons": [], "modelId": "m", "runId": "r", "taggedAt": 0,
                }
            ],
            schema=PREDICTION,
        )
        for item, leaf, sure, others, decision in rows
    ]  # fmt: skip


OLD_RUN = run(
    ("1", SHIRT, 0.6, {SHIRT: 0.6, TEE: 0.3}, "accept"), ("2", SHIRT, 0.8, {SHIRT: 0.8}, "accept"),
    ("3", SHIRT, 0.5, {SHIRT: 0.5, SHOE: 0.25}, "review"), ("4", None, 0.0, {}, "failed"),
    ("5", SHOE, 0.9, {}, "accept"),
)  # fmt: skip
NEW_RUN = run(
    ("1", TEE, 0.7, {TEE: 0.7, SHIRT: 0.2}, "accept"), ("2", SHIRT, 0.9, {SHIRT: 0.9}, "accept"),
    ("3", SHOE, 0.75, {SHOE: 0.75}, "accept"), ("4", SHOE, 0.9, {}, "accept"), ("6", SHOE, 0.9, {}, "accept"),
)  # fmt: skip


def test_pairs_are_joined_by_id_and_what_one_run_lacks_is_counted() -> None:
    pairs = pairs_of(OLD_RUN, NEW_RUN)
    assert pairs.frame["id"].tolist() == ["1", "2", "3", "4"]
    assert (pairs.only_old, pairs.only_new) == (1, 1)
    assert pairs.tagged["id"].tolist() == ["1", "2", "3"], "one run could not tag the fourth"
    assert pairs.disagreements["id"].tolist() == ["1", "3"]


def test_what_is_expected_to_be_right_is_the_mean_of_both_runs() -> None:
    pairs = pairs_of(OLD_RUN, NEW_RUN)
    old, new = expected_right(pairs.disagreements)
    assert old == pytest.approx([(0.6 + 0.2) / 2, (0.5 + 0.0) / 2])
    assert new == pytest.approx([(0.3 + 0.7) / 2, (0.25 + 0.75) / 2])
    found = moves(pairs.tagged)
    assert found[[f"{OLD}.{ARTICLE}", f"{NEW}.{ARTICLE}", "items", "accepted"]].to_numpy().tolist() == [
        ["Shirts", "Heels", 1, 1], ["Shirts", "Tshirts", 1, 1],
    ]  # fmt: skip
    assert found["new_right"].tolist() == pytest.approx([0.5, 0.5])


def test_mcnemars_test_is_the_exact_one() -> None:
    truth = pd.Series({"1": "Tshirts", "2": "Shirts", "3": "Shirts", "other": "Heels"})
    found = mcnemar(pairs_of(OLD_RUN, NEW_RUN).tagged, truth)
    assert found == McNemar(both=1, only_old=1, only_new=1, neither=0)
    assert McNemar(5, 2, 10, 1).p == pytest.approx(2 * binom.cdf(2, 12, 0.5))
    assert (McNemar(5, 0, 0, 1).p, McNemar(1, 2, 3, 4).items) == (1.0, 10)


def test_a_judge_sees_both_tags_in_random_order_and_with_even_confidence() -> None:
    old = run(*((str(n), SHIRT, 0.9, {SHIRT: 0.9}, "accept") for n in range(200)))
    new = run(*((str(n), TEE, 0.9, {TEE: 0.9}, "accept") for n in range(200)))
    items = drawn(pairs_of(old, new).disagreements, 150)
    assert len(items) == 150
    assert items["id"].tolist() == drawn(pairs_of(old, new).disagreements, 200)["id"].tolist()[:150]
    rows = blind_queue(items, "m", "r").to_pylist()
    assert 50 < sum(row[ARTICLE] == "Tshirts" for row in rows) < 100, "neither model comes first"
    for row in rows:
        assert [a["confidence"] for a in row["alternatives"]] == [0.5, 0.5] == [row[f"{ARTICLE}Confidence"]] * 2
        assert row["alternatives"][0][ARTICLE] == row[ARTICLE]
        assert {a[ARTICLE] for a in row["alternatives"]} == {"Shirts", "Tshirts"}
        assert all(row[name] is None for name in ("imageArticleType", "titleArticleType", "evidence"))


def test_answers_are_counted_for_the_model_that_said_it() -> None:
    items = pairs_of(OLD_RUN, NEW_RUN).disagreements
    answers = [("1", TEE, "accepted"), ("3", ("Footwear", "Flats"), "corrected"), ("9", TEE, "accepted")]
    decisions: list[dict[str, object]] = [{"id": i, MASTER: m, ARTICLE: a, "verdict": v} for i, (m, a), v in answers]
    assert judged_pairs(items, decisions) == JudgedPairs(new=1, neither=1)
    decisions[0] |= {ARTICLE: None, "verdict": "master_only"}
    decisions[1] |= {MASTER: "Apparel", ARTICLE: "Shirts"}
    assert judged_pairs(items, decisions) == JudgedPairs(old=1, unclear=1)
