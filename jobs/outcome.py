"""How a command ends: its exit code, and one clear message instead of a traceback."""

import signal
import sys
import threading
from collections.abc import Callable

import typer

from tagger.errors import TaggerError

INTERRUPTED = 130


def exit_code_of(work: Callable[[], int]) -> int:
    """Do a command's work; return its exit code, having said on standard error why it failed.

    SIGTERM, which schedulers send, ends it as Ctrl-C does.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _interrupt)
    try:
        return work()
    except TaggerError as error:
        _complain(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        _complain("interrupted; the same command goes on from here")
        return INTERRUPTED


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _complain(message: str) -> None:
    for line in message.splitlines():
        typer.secho(f"tagger: {line}", err=True, fg="red" if sys.stderr.isatty() else None)
