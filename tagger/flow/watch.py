"""Runs long work in a thread, so that the main thread stays free for progress and Ctrl-C."""

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

Result = TypeVar("Result")


_ENDS_WITHIN_S = 5.0


def run_watched(
    work: Callable[[], Result],
    look: Callable[[], None],
    every_s: float = 0.5,
    stop: Callable[[], None] = lambda: None,
) -> Result:
    """Run `work` in a thread and call `look` in this one every few moments; return or raise what `work` does.

    Args:
        work: What takes long.
        look: Called in this thread.
        every_s: Seconds between two calls.
        stop: Makes `work` end; called after an error or an interrupt in this thread, which then waits some seconds.
    """
    results: list[Result] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:  # noqa: BLE001 - carried to the caller's thread
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            thread.join(every_s)
            look()
    except BaseException:
        with suppress(Exception):  # this error says why the command ends, and decides its exit code
            stop()
        thread.join(_ENDS_WITHIN_S)
        raise
    if errors:
        raise errors[0]
    return results[0]
