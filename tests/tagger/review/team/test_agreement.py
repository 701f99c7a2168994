"""Cohen's kappa and its interval."""

import numpy as np
import pytest

from tagger.review.team.agreement import agreement


def answers(table: np.ndarray) -> tuple[list[str], list[str]]:
    """The answers about items of which so many had each pair of classes, int [classes, classes]."""
    pairs = [pair for pair, items in np.ndenumerate(table) for _ in range(items)]
    return [f"class {first}" for first, _ in pairs], [f"class {second}" for _, second in pairs]


def test_kappa_is_that_of_a_table_worked_out_by_hand() -> None:
    found = agreement(*answers(np.array([[20, 5], [10, 15]])))
    assert (found.items, found.agreed, found.share) == (50, 35, 0.7)
    assert found.kappa == pytest.approx(0.4)  # 70% agree, 50% by chance
    assert found.lowest == pytest.approx((0.55392 - 0.5) / 0.5, abs=1e-4)  # R: binom.test(35, 50)
    assert found.highest == pytest.approx((0.82139 - 0.5) / 0.5, abs=1e-4)


def test_people_who_always_agreed_may_still_disagree_about_the_next_item() -> None:
    few = agreement(*answers(np.diag([6, 6])))
    many = agreement(*answers(np.diag([300, 300])))
    assert few.kappa == many.kappa == 1
    assert few.highest == many.highest == 1
    assert few.lowest is not None
    assert many.lowest is not None
    assert few.lowest < 0.6 < 0.98 < many.lowest


def test_less_agreement_than_by_chance_is_below_zero() -> None:
    found = agreement(["a", "b"] * 20, ["b", "a"] * 20)
    assert found.kappa == pytest.approx(-1)
    assert found.lowest == -1


def test_one_class_alone_says_nothing_beyond_chance_and_no_items_say_nothing() -> None:
    alone = agreement(["Tops"] * 9, ["Tops"] * 9)
    assert (alone.share, alone.kappa, alone.lowest, alone.highest) == (1.0, None, None, None)
    nothing = agreement([], [])
    assert (nothing.share, nothing.kappa) == (None, None)


def test_answers_about_different_items_are_refused() -> None:
    with pytest.raises(ValueError, match="2 first answers and 1 second ones"):
        agreement(["Tops", "Shirts"], ["Tops"])


@pytest.mark.parametrize("right", [0.9, 0.97, 0.99])
@pytest.mark.parametrize("classes", [[0.9, 0.1], [0.2] * 5, [0.4, 0.3, 0.1, 0.1, 0.05, 0.05]])
def test_the_interval_holds_the_true_kappa_at_least_as_often_as_it_says(classes: list[float], right: float) -> None:
    rng = np.random.default_rng(5)
    shares = np.array(classes)
    answered = np.full((len(shares), len(shares)), (1 - right) / (len(shares) - 1))
    np.fill_diagonal(answered, right)
    pairs = np.einsum("c,ci,cj->ij", shares, answered, answered)
    by_chance = pairs.sum(0) @ pairs.sum(1)
    truth = (np.trace(pairs) - by_chance) / (1 - by_chance)
    held, runs = 0, 200
    for table in rng.multinomial(60, pairs.ravel(), runs).reshape(runs, *pairs.shape):
        found = agreement(*answers(table))
        if found.lowest is None or found.highest is None:
            held += 1  # nothing was said
        else:
            held += found.lowest <= truth <= found.highest
    assert held >= 181, "200 intervals that hold with 95% are below that three times in a thousand"
