"""How a command ends: its exit code, and one clear message instead of a traceback."""

import os
import signal
import sys
import threading
from collections.abc import Callable

import typer

from tagger.errors import TaggerError
from tagger.storage import first_line

INTERRUPTED, FAILED = 130, 1
_TRACEBACK = "TAGGER_TRACEBACK"


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
    except Exception as error:
        if os.environ.get(_TRACEBACK):
            raise
        return _explain(_root_of(error))


def _explain(error: BaseException) -> int:
    """Say in a line what no part of the program foresaw."""
    if isinstance(error, TaggerError):
        _complain(str(error))
        return error.exit_code
    hint = "" if isinstance(error, OSError) else f" (with {_TRACEBACK}=1 set, the same command shows where)"
    _complain(f"{type(error).__name__}: {first_line(error)}{hint}; what was finished is kept")
    return FAILED


def _root_of(error: BaseException) -> BaseException:
    """What went wrong in a worker, out of the errors that Ray wraps around it."""
    for inner in (getattr(error, "cause", None), *getattr(error, "worker_failures", {}).values(), error.__cause__):
        if isinstance(inner, BaseException) and inner is not error:
            return _root_of(inner)
    return error


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _complain(message: str) -> None:
    for line in message.splitlines():
        typer.secho(f"tagger: {line}", err=True, fg="red" if sys.stderr.isatty() else None)
