"""The submit command: runs a command on a Ray cluster, with its log and its exit code."""

import sys

from tagger.cluster.submission import Submission, select_variables
from tagger.errors import UsageError
from tagger.jobs.shell.console import Console
from tagger.jobs.shell.registry import JOBS
from tagger.schemas.configs.submit import SubmitConfig

_PROGRAM = "tagger"


def run(config: SubmitConfig, console: Console) -> int:
    """Run a command on a cluster; end with its exit code."""
    words = config.command[1:] if config.command[:1] == [_PROGRAM] else config.command
    if not words or words[0] not in JOBS or words[0] == "submit":
        raise UsageError("name a command of tagger after --, as in: tagger submit -- tag --manifest s3://…")
    job = Submission(config.address, [_PROGRAM, *words], select_variables(config.env), config.cpus)
    console.step(f"Submitted as {job.submission_id} to {config.address}")
    try:
        ended = job.follow(sys.stderr.write if console.as_json else console.write)
    except KeyboardInterrupt:
        job.stop()
        raise
    console.result({"submissionId": ended.submission_id, "status": ended.status, "exitCode": ended.exit_code})
    return ended.exit_code


if __name__ == "__main__":
    from tagger.jobs.shell.cli import main

    main(job="submit")
