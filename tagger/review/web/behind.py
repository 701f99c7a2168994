"""Work that the page does not wait for, in threads that end with it."""

import threading
from collections.abc import Callable


def behind(what: str, work: Callable[[], None], report: Callable[[str], None]) -> threading.Thread:
    """Begin work in a thread; an error is reported, and the page goes on without.

    Args:
        what: What the page is without then, for the report.
        work: The work.
        report: Takes a line for the terminal.
    """

    def run() -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - said on the terminal
            report(f"{what}: {type(error).__name__}: {error}")

    thread = threading.Thread(target=run, daemon=True, name=what)
    thread.start()
    return thread
