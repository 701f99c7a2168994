"""Runs long work in a thread, so that the main thread stays free for progress and Ctrl-C."""

import threading
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


def run_watched(work: Callable[[], Result], look: Callable[[], None], every_s: float = 0.5) -> Result:
    """Run `work` in a thread and call `look` in this one every few moments; return or raise what `work` does."""
    results: list[Result] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:  # noqa: BLE001 - carried to the caller's thread
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(every_s)
        look()
    if errors:
        raise errors[0]
    return results[0]
