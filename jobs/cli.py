"""The `tagger` command: each job's module is imported when it is called, so that help stays quick."""

import importlib
import logging
import sys
from collections.abc import Callable
from typing import Annotated, Any

import click
import typer

from jobs.flags import command_of
from schemas import config as configs
from schemas.config import JobConfig
from tagger.errors import TaggerError

INTERRUPTED = 130
JOBS: dict[str, type[JobConfig]] = {
    "demo": configs.DemoConfig,
    "check": configs.CheckConfig,
    "train": configs.TrainConfig,
    "tag": configs.TagConfig,
    "evaluate": configs.EvaluateConfig,
}

app = typer.Typer(
    name="tagger",
    help="Tags a shop's catalogue with masterCategory and articleType from its images, with honest confidences.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _runner(name: str) -> Callable[[Any, bool], int]:
    def run(config: JobConfig, as_json: bool) -> int:
        from jobs.console import Console

        job = importlib.import_module(f"jobs.{name}")
        return int(job.run(config, Console(as_json=as_json)))

    return run


for _name, _config in JOBS.items():
    app.command(_name)(command_of(_config, _runner(_name)))


@app.command("schema")
def schema(
    name: Annotated[str, typer.Argument(help="item, reject, prediction, bundle, run, or a job's config.")] = "",
    arrow: Annotated[bool, typer.Option("--arrow", help="List the Arrow columns instead.")] = False,
) -> None:
    """Print a contract as JSON Schema, or as a listing of its Arrow columns; without a name, the names."""
    from jobs.schema import run

    typer.echo(run(name, arrow))


def main(arguments: list[str] | None = None, job: str | None = None) -> None:
    """Run the command line, or that of one job, and exit with its code."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        code = app(
            [*([job] if job else []), *(sys.argv[1:] if arguments is None else arguments)], standalone_mode=False
        )
    except TaggerError as error:
        _complain(str(error))
        code = error.exit_code
    except click.exceptions.Abort:
        code = INTERRUPTED
    except KeyboardInterrupt:
        _complain("interrupted; the same command goes on from here")
        code = INTERRUPTED
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    sys.exit(code or 0)


def _complain(message: str) -> None:
    for line in message.splitlines():
        click.secho(f"tagger: {line}", err=True, fg="red" if sys.stderr.isatty() else None)


if __name__ == "__main__":
    main()
