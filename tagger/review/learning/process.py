"""Runs a refit in a process of its own, which the review page can ask for its result, or end."""

import os
from multiprocessing import get_context
from multiprocessing.connection import Connection
from types import TracebackType

from threadpoolctl import threadpool_limits

from tagger.errors import TaggerError
from tagger.review.learning.refit import Refit, RefitRequest, refit

_LESS_URGENT = 10
_END_WAIT_S = 5.0


class RefitProcess:
    """A refit under way; the process starts at once, less urgent than the page's. Leaving the context ends it.

    Building it takes until the process has the request, some seconds; a page does so in a thread.

    Args:
        request: What to learn from; it is sent to the process.
    """

    def __init__(self, request: RefitRequest) -> None:
        context = get_context("spawn")
        self._results, theirs = context.Pipe(duplex=False)
        requests, ours = context.Pipe(duplex=False)
        self._process = context.Process(target=_work, args=(requests, theirs), daemon=True, name="refit")
        self._process.start()
        theirs.close()  # so that the end of the process is the end of the pipe
        requests.close()
        self._failed_to_send = not _sent(ours, request)
        ours.close()
        self._result: Refit | None = None

    def __enter__(self) -> "RefitProcess":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.kill()

    @property
    def pid(self) -> int | None:
        """The number of the process."""
        return self._process.pid

    def result(self, timeout_s: float = 0.0) -> Refit | None:
        """The result; None if it is not there within the time, in seconds.

        Raises:
            TaggerError: when the refit failed, or its process was killed; the queue then stays as it is.
        """
        if self._result is None and (self._failed_to_send or self._results.poll(timeout_s)):
            self._result = self._received()
        return self._result

    def kill(self) -> None:
        """End the process, if it still runs; nothing is left of it."""
        if self._process.is_alive():
            self._process.kill()
        self._process.join(_END_WAIT_S)
        self._results.close()

    def _received(self) -> Refit:
        try:
            answer = self._results.recv()
        except (EOFError, OSError):  # a killed process closes the pipe, or resets it
            self._process.join(_END_WAIT_S)
            code = self._process.exitcode
            raise TaggerError(f"the refit's process ended without a result (exit code {code})") from None
        if isinstance(answer, Refit):
            return answer
        raise TaggerError(f"the refit failed: {answer}")


def _sent(connection: Connection, request: RefitRequest) -> bool:
    """Send the request; whether the process lived to take it."""
    try:
        connection.send(request)
    except (BrokenPipeError, ConnectionResetError):
        return False
    return True


def _work(requests: Connection, results: Connection) -> None:
    """The process: one refit, whose result or error goes back."""
    os.nice(_LESS_URGENT)
    try:
        with threadpool_limits(1):  # threads that wait for each other on busy cores are slow
            results.send(refit(requests.recv()))
    except Exception as error:  # noqa: BLE001 - raised in the process that asks for the result
        results.send(f"{type(error).__name__}: {error}")
