"""Long work in a thread: its result, its error, and an interrupt of the thread that looks after it."""

import threading

import pytest

from tagger.flow.watch import run_watched


def test_the_result_or_the_error_of_the_work_comes_back() -> None:
    assert run_watched(lambda: 7, lambda: None) == 7
    with pytest.raises(ZeroDivisionError):
        run_watched(lambda: 1 / 0, lambda: None)


@pytest.mark.parametrize("fails", [False, True])
def test_an_interrupt_stops_the_work_and_is_what_is_raised(fails: bool) -> None:
    stopped = threading.Event()

    def look() -> None:
        raise KeyboardInterrupt

    def stop() -> None:
        stopped.set()
        if fails:
            raise RuntimeError("nothing answers")

    with pytest.raises(KeyboardInterrupt):
        run_watched(lambda: stopped.wait(60), look, every_s=0.01, stop=stop)
    assert stopped.is_set()
