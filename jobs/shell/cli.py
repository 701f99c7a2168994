"""The `tagger` command; each job's module is imported on demand, so that help stays fast."""

import contextlib
import importlib
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

import tagger
from tagger.cluster.submitted import use_cluster_of_job
from tagger.errors import UsageError
from tagger.jobs.shell.flags import command_of
from tagger.jobs.shell.help import Commands, command_class, help_of
from tagger.jobs.shell.outcome import complain, warn
from tagger.jobs.shell.registry import JOBS, PANELS, RENAMED
from tagger.jobs.shell.startup_messages import STARTUP_MESSAGES
from tagger.schemas.configs.reporting import ReportingOptions
from tagger.schemas.values import JobConfig

if TYPE_CHECKING:
    from tagger.jobs.shell.console import Console

_USAGE_ERROR = cast(type[typer.BadParameter], typer.BadParameter.__base__)
"""What typer raises for every wrong word on a command line; its module differs between versions."""

_FULL_EXIT = "TAGGER_FULL_EXIT"
_RAYLET_PID = "RAY_RAYLET_PID"
"""The process that must live for Ray's core to go on when its connection is lost; else it ends its own process, without
a word and with exit code 1. Read when Ray is imported. Without it, that process is the parent, and Ray 2.60 takes the
first process, the parent of a service manager's commands, for one that has ended. A command names itself, so that it
comes to its own end; workers get the right one from Ray."""
_EPILOG = """[bold]tagger COMMAND --help[/bold] has examples and all options of a command.

[dim]-h, --help; --version; --install-completion, --show-completion: for bash, zsh and fish.[/dim]"""

app = typer.Typer(
    name="tagger",
    cls=Commands,
    help="Tag a shop's catalogue with masterCategory and articleType from its images, with honest confidences.",
    epilog=_EPILOG,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(is_asked: bool) -> None:
    if is_asked:
        print(f"tagger {tagger.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    pass


def _runner(name: str) -> Callable[[Any, bool], int]:
    def run(config: JobConfig, as_json: bool) -> int:
        from tagger.jobs.shell.console import Console

        console = Console(as_json=as_json)
        if name in STARTUP_MESSAGES:
            console.step(STARTUP_MESSAGES[name])
        config = use_cluster_of_job(config, console)
        job = importlib.import_module(f"tagger.jobs.{name}")
        if "cv2" in sys.modules:
            importlib.import_module("tagger.imaging.threads").decode_in_one_thread()
        with contextlib.redirect_stdout(sys.stderr):  # Ray's own output must not mix with the results
            return _run(name, job, config, console)

    return run


def _run(name: str, job: ModuleType, config: JobConfig, console: "Console") -> int:
    if not isinstance(config, ReportingOptions):
        return int(job.run(config, console))
    from tagger.jobs.shell.ending import with_ending

    return with_ending(name, config, console, lambda: int(job.run(config, console)))


for _panel, _jobs in PANELS.items():
    for _name, _config in _jobs.items():
        app.command(_name, cls=command_class(_config), help=help_of(_name, _config), rich_help_panel=_panel)(
            command_of(_config, _runner(_name))
        )


def main(arguments: list[str] | None = None, job: str | None = None) -> None:
    """Run the command line, or that of one job, and exit with its code.

    Without arguments it shows the help and exits with 2: a script that has lost its arguments must not look successful.
    """
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    _keep_compiled_code()
    os.environ[_RAYLET_PID] = str(os.getpid())
    given = sys.argv[1:] if arguments is None else arguments
    words = [*([job] if job else []), *given]
    if words and words[0] in RENAMED:
        warn(f"tagger {words[0]} is an old name of tagger {RENAMED[words[0]]}, and works in this release")
        words[0] = RENAMED[words[0]]
    try:
        code = app(words or ["--help"], prog_name="tagger", standalone_mode=False)
    except _USAGE_ERROR as error:
        sys.exit(_explain(error, words[0]))
    sys.exit(code if words else UsageError.exit_code)


def _explain(error: typer.BadParameter, first: str) -> int:
    """Print what is wrong with the arguments, in the format of all messages."""
    command = f"tagger {first}" if first in JOBS else "tagger"
    complain(f"{error.format_message().rstrip('.')}; {command} --help shows what there is")
    return UsageError.exit_code


def _keep_compiled_code() -> None:
    """Let PyTorch store compiled code in the user's cache folder; its default is the temporary folder."""
    caches = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111 - no home, no error
    folder = Path(caches) / "catalog-tagger/torch"
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(folder))


def command() -> None:
    """Run the command line, and exit without interpreter shutdown.

    After everything is written and closed, Python would unload PyTorch and Arrow: processor time of 0.16 s after
    `recipes`, 0.3 s after `check` and 0.5 s after `tag`, measured on two cores with PyTorch 2.14.
    With TAGGER_FULL_EXIT set it does, and runs exit handlers, such as those of coverage and profilers.
    """
    try:
        main()
    except SystemExit as ended:
        if os.environ.get(_FULL_EXIT):
            raise
        sys.stdout.flush()
        sys.stderr.flush()
        logging.shutdown()
        os._exit(ended.code if isinstance(ended.code, int) else bool(ended.code))


if __name__ == "__main__":
    command()
