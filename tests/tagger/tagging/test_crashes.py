"""Images that end workers are found with few workers lost, and no innocent is accused."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagger.errors import TaggerError
from tagger.io.location import Location
from tagger.tagging.crashes import Bisection, Crashes, Step, check_count


def search(rows: int, deadly: set[int], unreadable: set[int], accidents: set[int]) -> tuple[dict[int, bool], int]:
    """Rows that a search finds, each with whether it could be read, and how many workers it took.

    Args:
        rows: In the shard.
        deadly: End a worker that looks at them.
        unreadable: End one that reads them, too.
        accidents: Steps whose worker is lost for no fault of the images.
    """
    bisection, found, lost, number = Bisection(5, rows), dict[int, bool](), 0, 0
    while (step := bisection.next()) is not None:
        assert step.shard == 5
        number += 1
        looks = deadly - found.keys() if step.kind == "try" else set()
        images_of_step = set(range(step.first, step.end)) if step.kind == "try" else {step.first}
        if images_of_step & (looks | (unreadable if step.kind == "digest" else set())) or number in accidents:
            lost += 1
            row = bisection.crashed(step, "a reason")
            if row is not None:
                found[row] = False
        elif step.kind == "digest":
            found[step.first] = True
    return found, lost


@given(st.integers(1, 3000), st.data())
def test_every_deadly_row_is_found_and_no_other(rows: int, data: st.DataObject) -> None:
    deadly = data.draw(st.sets(st.integers(0, rows - 1), max_size=4))
    unreadable = data.draw(st.sets(st.sampled_from(sorted(deadly)), max_size=2)) if deadly else set()
    found, lost = search(rows, deadly, unreadable, accidents=set())
    assert found == {row: row not in unreadable for row in deadly}
    assert lost <= len(deadly) * (rows.bit_length() + 4)


@given(st.integers(2, 500), st.sets(st.integers(2, 60), max_size=1))
def test_a_worker_that_is_lost_by_accident_accuses_nobody(rows: int, accidents: set[int]) -> None:
    assert search(rows, set(), set(), accidents)[0] == {}


def test_workers_that_end_without_any_image_end_the_search() -> None:
    bisection = Bisection(1, 100)
    with pytest.raises(TaggerError, match="before they look at any image, the last one so: no such instruction"):
        for _ in range(10):
            step = bisection.next()
            assert step == Step(1, "try", 0, 0)
            bisection.crashed(step, "no such instruction")


def test_what_was_found_is_kept_with_the_run(tmp_path: Path) -> None:
    work = Location(str(tmp_path / "_work"))
    assert Crashes.read(work) == Crashes()
    crashes = Crashes().with_image(2, 17, b"\1" * 32).with_image(3, 4, None).with_image(3, 9, b"\2" * 32)
    crashes.write(work)
    assert Crashes.read(work) == crashes
    assert len(crashes) == 3
    assert (crashes.images_of(3), crashes.images_of(2)) == ({4}, set())


def test_so_many_that_something_else_must_be_wrong_end_the_run() -> None:
    before = crashes = Crashes().with_image(0, 0, b"before")
    with pytest.raises(TaggerError, match=r"50 images ended their workers, the last one row 49 .* without them"):
        for row in range(100):
            crashes = crashes.with_image(0, row, None)
            check_count(before, crashes, f"row {row} of part 0")
    assert row == 49
