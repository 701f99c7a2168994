"""The review command: serves the review page for a run, and exports the decisions as Parquet."""

import errno
import os
import secrets
import socket
from collections.abc import Iterator
from functools import partial

import uvicorn
from starlette.types import ASGIApp

from tagger.decisions.read import DATABASE, database_of, export, export_refit_tags
from tagger.errors import InputError, UsageError
from tagger.io.location import Location, first_line
from tagger.io.signals import ended_by_interrupt
from tagger.jobs.shell.console import Console
from tagger.jobs.shell.next_command import next_line
from tagger.jobs.steps.review_page import log, refitting, review_page, tag_config
from tagger.review.store.database import open_database
from tagger.review.store.review import ReviewStore
from tagger.review.web.behind import Behind
from tagger.review.web.connections import Limits, bounded
from tagger.review.web.origins import LOOPBACK
from tagger.review.web.token_check import token_weakness
from tagger.runs.directory import RunDirectory
from tagger.schemas.configs.review import ReviewConfig
from tagger.schemas.documents.run import RunRecord
from tagger.similarity.index import VectorIndex
from tagger.workflows.as_flags import catalogue_flags

_TOKEN = "TAGGER_REVIEW_TOKEN"
_BACKLOG = 256
_ANY = ("0.0.0.0", "::")


def run(config: ReviewConfig, console: Console) -> int:
    """Serve the page until Ctrl-C, or only export; both end with an export of the current decisions."""
    directory = RunDirectory(Location(config.run, config.s3_endpoint, config.s3_region))
    directory.read([], "--run")
    record = directory.record()
    if record is None:
        raise InputError(f"--run: {directory.root} has no run.json, which says what was tagged; run it again")
    token = _token(config) if config.action == "serve" else None
    database = database_of(directory, config.database or os.environ.get(DATABASE))
    store = ReviewStore(open_database(database, "--database"), record.run_id)
    store.second_answers.share = config.second_answers if record.kind == "tag" else 0.0
    try:
        if config.action == "export":
            return _export(config, console, store, directory, record)
        _check_out(config)
        index = VectorIndex(Location(config.index)) if config.index else None
        refits = refitting(config, console, store, record, index)
        with Behind(partial(log, console)) as behind:
            app, invite = review_page(config, console, store, directory, record, token, index, behind)
            with _listening(config) as listener, refits:  # only now a link is made: another page's stays good
                _serve(config, console, app, listener, invite() if invite else None)
        return _export(config, console, store, directory, record)
    finally:
        store.close()


def _token(config: ReviewConfig) -> str | None:
    """The token for reviewers. Raises UsageError when other machines can reach the page and no token is set."""
    token = config.token or os.environ.get(_TOKEN)
    weak = token_weakness(token) if token is not None else None
    if weak:
        name = "--token" if config.token else _TOKEN
        raise UsageError(f"{name} is easily guessed: {weak}; set {_TOKEN}, for example to {secrets.token_urlsafe(16)}")
    if token is None and (config.host not in LOOPBACK or config.public_url):
        flag = f"--public-url {config.public_url}" if config.public_url else f"--host {config.host}"
        raise UsageError(
            f"{flag}: others can reach this page, so it needs a token: set {_TOKEN}, for example to "
            f"{secrets.token_urlsafe(16)}"
        )
    return token


def _listening(config: ReviewConfig) -> socket.socket:
    """A listening socket on the page's address. Raises UsageError when it cannot be opened."""
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((config.host, config.port))
        listener.listen(_BACKLOG)  # a browser that connects at once waits for the first response
    except OSError as error:
        listener.close()
        is_taken = error.errno == errno.EADDRINUSE
        why = "another program has this port" if is_taken else error.strerror or first_line(error)
        raise UsageError(f"--host {config.host} --port {config.port}: {why}; --port 0 takes a free one") from error
    return listener


def _serve(config: ReviewConfig, console: Console, app: ASGIApp, listener: socket.socket, link: str | None) -> None:
    for line in _welcome(config, listener.getsockname()[1], link):
        console.say(line)
    console.flush()
    settings = uvicorn.Config(
        app,
        http=bounded(Limits(per_address=None) if config.public_url else Limits()),
        ws="none",
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=config.public_url is not None,  # nobody but the proxy may name client addresses
        timeout_graceful_shutdown=5,
    )
    with ended_by_interrupt():
        uvicorn.Server(settings).run(sockets=[listener])


def _welcome(config: ReviewConfig, port: int, link: str | None) -> Iterator[str]:
    """The page's address in a form to share; without a token, the link that lets its lead in."""
    name = socket.gethostname() if config.host in _ANY else config.host
    address = f"http://{f'[{name}]' if ':' in name else name}:{port}/"
    how = "Ctrl-C ends it; decisions are kept as they are made"
    if config.public_url:
        yield f"Review: {config.public_url.rstrip('/')}/  (served on {address}; {how})"
    elif link:
        yield f"Review: {address.rstrip('/')}{link}  ({how})"
        yield "The link works once, within an hour. Its browser stays signed in; start the page again for a new link."
    else:
        yield f"Review: {address}  ({how})"


def _export(
    config: ReviewConfig, console: Console, store: ReviewStore, directory: RunDirectory, record: RunRecord
) -> int:
    folder = _check_out(config) or directory.decided
    rows = export(store, folder)
    by_refit = export_refit_tags(store, directory)
    progress = store.counts.progress("")
    console.say(f"{rows:,} of {progress.items:,} items are decided. Decisions: {folder}")
    if by_refit:
        console.say(f"{by_refit:,} more were accepted by refits to these decisions: {directory.refit_tags}")
    console.result({"decided": rows, "byRefit": by_refit, "items": progress.items, "decisions": str(folder)})
    console.say(_next(config, rows, record))
    return 0


def _next(config: ReviewConfig, decided: int, record: RunRecord) -> str:
    """The next command: review if nothing is decided; else train with an audit's decisions, or write a run's tags."""
    database = ["--database", config.database] if config.database else []
    if not decided:
        return next_line(config, "review", "--run", config.run, *database)
    run = config.run.rstrip("/")
    if record.kind == "audit":
        root = Location(config.run, config.s3_endpoint, config.s3_region)
        catalogue = catalogue_flags(tag_config(config, root, record).model_dump())
        return next_line(config, "train", *catalogue, "--decisions", config.out or run, "--out", f"{run}-bundle")
    if record.kind in ("comparison", "proposal"):
        command = "compare" if record.kind == "comparison" else "propose"
        return f"Next: run tagger {command} once more; it counts what was judged."
    return next_line(config, "apply", run, *database, "--out", f"{run}-tags")


def _check_out(config: ReviewConfig) -> Location | None:
    """The folder of --out. Raises UsageError when it is not empty."""
    if not config.out:
        return None
    folder = Location(config.out, config.s3_endpoint, config.s3_region)
    if folder.files():
        raise UsageError(f"--out: {folder} is not empty; name a new folder")
    return folder


if __name__ == "__main__":
    from tagger.jobs.shell.cli import main

    main(job="review")
