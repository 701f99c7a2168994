"""Calls in Ray tasks: results come with their numbers, errors in their own words, lost processes are replaced."""

import os
import signal
from pathlib import Path

import pytest

from tagger.cluster.tasks import in_tasks, on_every_node
from tagger.errors import InputError

pytestmark = pytest.mark.usefixtures("embedded_ray")


class Adder:
    """Adds to a number, in another process."""

    def __init__(self, number: int) -> None:
        self.number = number

    def add(self, other: int) -> int:
        return self.number + other

    def refuse(self, other: int) -> int:
        raise InputError(f"row {other}: is no number")

    def die_once(self, mark: Path) -> int:
        if not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return self.number


def test_each_call_gives_its_result_under_its_number() -> None:
    assert dict(in_tasks(Adder(10).add, [(n,) for n in range(20)])) == {n: 10 + n for n in range(20)}
    assert list(in_tasks(Adder(10).add, [])) == []


def test_an_error_of_the_users_input_arrives_in_its_own_words() -> None:
    with pytest.raises(InputError, match=r"^row 7: is no number$"):
        list(in_tasks(Adder(1).refuse, [(7,)]))


def test_a_call_whose_process_is_killed_is_made_again(tmp_path: Path) -> None:
    assert list(in_tasks(Adder(3).die_once, [(tmp_path / "mark",)])) == [(0, 3)]


def test_every_node_is_asked(tmp_path: Path) -> None:
    assert on_every_node(Path.exists, tmp_path) == [True]
    assert on_every_node(Path.exists, tmp_path / "absent") == [False]
