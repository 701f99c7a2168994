"""Exit codes and error messages: one clear message per error; the traceback goes to a file."""

import os
import select
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import psutil
import typer

from tagger.errors import TaggerError, UsageError
from tagger.io.location import S3, first_line
from tagger.io.signals import do_not_interrupt_again, interrupted_by_signals
from tagger.optional import what_to_install
from tagger.printable import printable

DONE, FAILED, TOO_MANY_FAILED, INTERRUPTED = 0, 1, 4, 130
"""Exit codes; those of errors are in `tagger.errors`."""
READER_GONE = 128 + signal.SIGPIPE
ERROR_LOG = "_error.log"
"""File name in a job's folder; readers of results skip names with an underscore."""
_INTERRUPTED = "interrupted; the same command goes on from here"
_TRACEBACK = "TAGGER_TRACEBACK"


class ErrorLog:
    """A log for tracebacks of unexpected errors, in the job's output folder once that is known."""

    def __init__(self) -> None:
        self._out: Path | None = None

    def set_folder(self, out: str | None) -> None:
        """Set the job's folder; buckets are ignored."""
        self._out = Path(out.removeprefix("file://")).expanduser() if out and not out.startswith(S3) else None

    def add(self, error: BaseException) -> Path | None:
        """Append an error with its time; return the file, or None if none can be written.

        Command line and environment are left out, since both may hold secrets.
        """
        text = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC\n{''.join(traceback.format_exception(error))}\n"
        for file in self._files():
            with suppress(OSError):
                file.parent.mkdir(parents=True, exist_ok=True)
                with file.open("a", encoding="utf-8", errors="backslashreplace") as log:
                    log.write(text)
                return file
        return None

    def _files(self) -> list[Path]:
        """Files to try, in order: of the job, of the user, of the machine."""
        files = []
        if self._out and self._out.is_dir():
            work = self._out / "_work"
            files.append(work / "error.log" if work.is_dir() else self._out / ERROR_LOG)
        state = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")  # noqa: PTH111 - no home, no error
        return [*files, Path(state) / "catalog-tagger/error.log", Path(tempfile.gettempdir()) / "catalog-tagger.log"]


def exit_code_of(work: Callable[[], int], log: ErrorLog | None = None) -> int:
    """Run a command; return its exit code, after printing the reason of a failure to standard error.

    SIGTERM, which schedulers send, ends it as Ctrl-C does. When nobody reads standard output any more, as after
    `| head`, it ends with READER_GONE and without a word.
    """
    with interrupted_by_signals(_end_at_once):
        try:
            code = work()
            sys.stdout.flush()  # here, where a closed pipe can still be told from a failure
            return code
        except TaggerError as error:
            do_not_interrupt_again()
            complain(str(error))
            return error.exit_code
        except KeyboardInterrupt:
            do_not_interrupt_again()
            complain(_INTERRUPTED)
            return INTERRUPTED
        except Exception as error:
            do_not_interrupt_again()
            if isinstance(error, BrokenPipeError) and _reader_is_gone():
                return READER_GONE
            if os.environ.get(_TRACEBACK):
                raise
            return _explain(error, log or ErrorLog())


def code_of(error: BaseException) -> int:
    """The exit code of a command that ends with this error."""
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    root = _root_of(error)
    if isinstance(root, TaggerError):
        return root.exit_code
    if isinstance(root, ModuleNotFoundError) and what_to_install(root):
        return UsageError.exit_code
    return FAILED


def _end_at_once(number: int, frame: object) -> None:
    """Exit without cleanup: whoever sends a second signal does not want to wait for Ray."""
    with suppress(psutil.Error):
        for child in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):
                child.kill()
    with suppress(OSError):
        os.write(2, f"tagger: {_INTERRUPTED}\n".encode())
    os._exit(INTERRUPTED)


def _reader_is_gone() -> bool:
    """Whether standard output is a closed pipe; further output to it is then discarded."""
    with suppress(OSError, ValueError):
        poll = select.poll()
        poll.register(sys.stdout.fileno(), 0)
        if any(events & select.POLLERR for _, events in poll.poll(0)):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, sys.stdout.fileno())
            os.close(nowhere)
            return True
    return False


def _explain(error: Exception, log: ErrorLog) -> int:
    """Print an unexpected error in one line, and log its traceback."""
    root = _root_of(error)
    if isinstance(root, TaggerError):
        complain(str(root))
        return code_of(root)
    if isinstance(root, ModuleNotFoundError) and (message := what_to_install(root)):
        complain(message)
        return code_of(root)
    file = log.add(error)
    where = f"traceback: {file}" if file else f"with {_TRACEBACK}=1 set, the same command shows where"
    complain(f"{type(root).__name__}: {first_line(root)}; what was finished is kept ({where})")
    return FAILED


def _root_of(error: BaseException) -> BaseException:
    """The original error of a worker, without the errors that Ray wraps around it."""
    wrapped = (getattr(error, name, None) for name in ("cause", "controller_failure"))
    for inner in (*wrapped, *getattr(error, "worker_failures", {}).values(), error.__cause__):
        if isinstance(inner, BaseException) and inner is not error:
            return _root_of(inner)
    return error


def warn(message: str) -> None:
    """Print a warning before a command begins."""
    typer.secho(f"! {printable(message)}", err=True, fg="yellow" if sys.stderr.isatty() else None)


def complain(message: str) -> None:
    """Print to standard error why a command failed."""
    for line in printable(message).split("\n"):
        typer.secho(f"tagger: {line}", err=True, fg="red" if sys.stderr.isatty() else None)
