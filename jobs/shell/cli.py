"""The `tagger` command: each job's module is imported when it is called, so that help stays quick."""

import contextlib
import importlib
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

import tagger
from tagger.jobs.shell.flags import command_of
from tagger.jobs.shell.outcome import exit_code_of
from tagger.jobs.shell.registry import JOBS
from tagger.schemas.values import JobConfig

app = typer.Typer(
    name="tagger",
    help="Tags a shop's catalogue with masterCategory and articleType from its images, with honest confidences.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
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
        job = importlib.import_module(f"tagger.jobs.{name}")
        if "cv2" in sys.modules:
            importlib.import_module("tagger.imaging.threads").decode_in_one_thread()
        with contextlib.redirect_stdout(sys.stderr):  # Ray's own words must not stand among the results
            return int(job.run(config, console))

    return run


for _name, _config in JOBS.items():
    app.command(_name)(command_of(_config, _runner(_name)))


@app.command("schema")
def schema(
    name: Annotated[str, typer.Argument(help="item, reject, prediction, bundle, run, or a job's config.")] = "",
    arrow: Annotated[bool, typer.Option("--arrow", help="List the Arrow columns instead.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print names and columns as JSON, too.")] = False,
) -> None:
    """Print a contract as JSON Schema, or as a listing of its Arrow columns; without a name, the names."""
    from tagger.jobs.schema import run

    raise typer.Exit(exit_code_of(lambda: run(name, arrow, as_json)))


def main(arguments: list[str] | None = None, job: str | None = None) -> None:
    """Run the command line, or that of one job, and exit with its code."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    _keep_compiled_code()
    given = sys.argv[1:] if arguments is None else arguments
    app([*([job] if job else []), *given], prog_name="tagger")


def _keep_compiled_code() -> None:
    """Have PyTorch keep what it compiles in the user's cache folder; it would leave a folder in the temporary one."""
    caches = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111 - no home, no error
    folder = Path(caches) / "catalog-tagger/torch"
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(folder))


def command() -> None:
    """Run the command line as a process: one that ends at once.

    After all is written and closed, Python would take another second to take PyTorch apart.
    """
    try:
        main()
    except SystemExit as ended:
        sys.stdout.flush()
        sys.stderr.flush()
        logging.shutdown()
        os._exit(ended.code if isinstance(ended.code, int) else bool(ended.code))


if __name__ == "__main__":
    command()
