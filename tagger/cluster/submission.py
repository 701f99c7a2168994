"""Runs a command on a Ray cluster through its job server, and reports its exit code."""

import asyncio
import fnmatch
import importlib.util
import logging
import os
import re
import shlex
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tagger.errors import TaggerError, UsageError
from tagger.io.location import first_line

_POLL_S = 1.0
_INTERRUPTED = 130
_NOT_INSTALLED = "tagger submit needs the extra cluster, which is not installed here: pip install 'ray[default]'"
_JOB_SERVER_LINES = re.compile(r"^\S+ \S+\tINFO job_manager\.py.*\n", re.MULTILINE)
"""Lines that Ray's job server adds to a command's own."""


@dataclass(frozen=True)
class JobResult:
    """The result of a submitted command."""

    submission_id: str
    status: str
    """Ray's job status: SUCCEEDED, FAILED or STOPPED."""
    exit_code: int
    """Exit code of the command itself; 130 when it was stopped, as after Ctrl-C."""


class Submission:
    """A command that runs on a cluster.

    Args:
        address: Address of the cluster's dashboard, `http://HOST:8265`.
        command: The command's words.
        environment: Environment variables for the command and its workers.
        cpus: CPUs that the command itself reserves; 0 runs it on the head node.

    Raises:
        UsageError: when there is no job server, or it rejects this process's token.
        TaggerError: when the job server does not accept the command.
    """

    def __init__(self, address: str, command: Sequence[str], environment: Mapping[str, str], cpus: float = 0) -> None:
        self._client = _client(address)
        with _as_tagger_error(f"--address {address}: the cluster did not take the command"):
            self.submission_id: str = self._client.submit_job(
                entrypoint=shlex.join(command),
                runtime_env={"env_vars": dict(environment)} if environment else None,
                entrypoint_num_cpus=cpus or None,
            )

    def follow(self, write: Callable[[str], object]) -> JobResult:
        """Pass on the command's log until it has ended.

        When the connection breaks, the rest of the log is lost, but neither the command nor its exit code.

        Raises:
            TaggerError: when the command could not be started, or its end is unknown.
        """
        from aiohttp import ClientError

        try:
            asyncio.run(self._stream_log(write))
        except (RuntimeError, OSError, ClientError) as error:
            write(f"the log breaks off here: {first_line(error)}\n")
        with _as_tagger_error(f"the end of {self.submission_id} is unknown, as the cluster no longer answers"):
            while not (details := self._client.get_job_info(self.submission_id)).status.is_terminal():
                time.sleep(_POLL_S)
        return self._result(details)

    def stop(self) -> None:
        """Stop the command with SIGTERM; it is killed some seconds later."""
        self._client.stop_job(self.submission_id)

    async def _stream_log(self, write: Callable[[str], object]) -> None:
        async for text in self._client.tail_job_logs(self.submission_id):
            write(_JOB_SERVER_LINES.sub("", text))

    def _result(self, details: Any) -> JobResult:
        status = str(details.status.value)
        code: int | None = _INTERRUPTED if status == "STOPPED" else details.driver_exit_code
        if code is None:
            raise TaggerError(f"the job {self.submission_id} did not run: {first_line(Exception(details.message))}")
        return JobResult(self.submission_id, status, code if code >= 0 else 128 - code)


@contextmanager
def _as_tagger_error(what: str) -> Iterator[None]:
    """Convert the client's errors to TaggerError, with a message that says what failed."""
    try:
        yield
    except (RuntimeError, OSError) as error:
        lines = [line for line in str(error).splitlines() if line.strip(" .")]
        raise TaggerError(f"{what}: {lines[-1] if lines else type(error).__name__}") from error


def select_variables(names: Sequence[str], environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The variables that match names or patterns such as `AWS_*`. Raises UsageError when one matches none."""
    variables: dict[str, str] = {}
    for name in names:
        matching = {key: value for key, value in environment.items() if fnmatch.fnmatchcase(key, name)}
        if not matching:
            raise UsageError(f"--env {name}: there is no such variable here")
        variables |= matching
    return variables


def _client(address: str) -> Any:
    """Connect to a cluster's job server.

    Raises:
        UsageError: when Ray's client is not installed, there is no job server, or it rejects this process's token.
    """
    if importlib.util.find_spec("aiohttp") is None:  # Ray would only report it when it connects
        raise UsageError(
            "tagger submit needs the extra cluster, which is not installed here: pip install 'ray[default]'"
        )
    from ray.exceptions import AuthenticationError
    from ray.job_submission import JobSubmissionClient

    logging.getLogger(JobSubmissionClient.__module__).setLevel(logging.ERROR)  # it logs each closed connection

    try:
        return JobSubmissionClient(address)
    except AuthenticationError as error:
        raise UsageError(
            f"--address {address}: the cluster refuses commands from here: {first_line(error)}; it asks for another "
            "token than this process has: RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH, set one"
        ) from error
    except (RuntimeError, ConnectionError, ValueError, OSError) as error:
        raise UsageError(
            f"--address {address}: no job server of a Ray cluster answers there: {first_line(error)}"
        ) from error
