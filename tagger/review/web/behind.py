"""Work that the page does not wait for, in threads that end before it does."""

import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType

Work = Callable[[threading.Event], None]
"""Does something until it is done, or until the event says that the page ends."""


class Behind:
    """Runs work in threads. Leaving the context asks all of it to end, and waits.

    A thread that is left running in a library's own code while the interpreter ends can keep the process for ever.

    Args:
        report: Takes a line for the terminal about what went wrong.
    """

    def __init__(self, report: Callable[[str], None]) -> None:
        self._report = report
        self._ended = threading.Event()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> "Behind":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ended.set()
        for thread in self._threads:
            while thread.is_alive():  # seconds at most; who presses Ctrl-C again does not leave it running
                with suppress(KeyboardInterrupt):
                    thread.join()

    def begin(self, what: str, work: Work) -> None:
        """Begin some work; an error is reported, and the page goes on without.

        Args:
            what: What the page is without then, for the report.
            work: The work.
        """

        def run() -> None:
            try:
                work(self._ended)
            except Exception as error:  # noqa: BLE001 - said on the terminal
                self._report(f"{what}: {type(error).__name__}: {error}")

        thread = threading.Thread(target=run, daemon=True, name=what)
        self._threads.append(thread)
        thread.start()
