"""The review command: serves the review page for a run, and exports the decisions as Parquet."""

import errno
import getpass
import os
import secrets
import socket
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from urllib.parse import urlsplit

import uvicorn
from pydantic import ValidationError
from starlette.types import ASGIApp

from tagger.decisions.read import DATABASE, database_of, export
from tagger.errors import InputError, TaggerError, UsageError
from tagger.images.stores import ImageStore
from tagger.io.location import Location, first_line
from tagger.jobs.shell.console import Console
from tagger.jobs.shell.next_command import next_line
from tagger.manifest.manifest import Manifest
from tagger.models.bundle import Bundle
from tagger.review.store.found_groups import group_rows
from tagger.review.store.leaves import LeafCounts, Leaves, Pair
from tagger.review.store.people import PeopleError
from tagger.review.store.queue import fill_queue, label_counts, suggestions_of
from tagger.review.store.review import ReviewStore
from tagger.review.store.settings import DUPLICATES, LEAF_COUNTS, LEAVES, SECRET, SUGGESTIONS
from tagger.review.store.tables import open_database
from tagger.review.web.app import review_app
from tagger.review.web.check import QualityCheck
from tagger.review.web.connections import Limits, bounded
from tagger.review.web.dependencies import NAME_LENGTH
from tagger.review.web.downloads import Downloads
from tagger.review.web.invitations import START_S, Invitations
from tagger.review.web.item_view import Review
from tagger.review.web.look_alikes import LookAlikes
from tagger.review.web.origins import LOOPBACK, OriginPolicy
from tagger.review.web.pictures import Pictures
from tagger.review.web.sessions import Sessions, clean_text
from tagger.review.web.synonyms import Synonyms
from tagger.review.web.token_check import token_weakness
from tagger.review.web.trial import Trial
from tagger.runs.directory import RunDirectory
from tagger.schemas.configs.review import ReviewConfig
from tagger.schemas.configs.tag import TagConfig
from tagger.schemas.documents.run import RunRecord
from tagger.schemas.documents.taxonomy import Level, Taxonomy
from tagger.similarity.index import VectorIndex
from tagger.workflows.as_flags import catalogue_flags
from tagger.workflows.open_catalog import open_catalog

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
    store.second_answers.share = config.second_answers
    try:
        if config.action == "export":
            return _export(config, console, store, directory, record)
        _check_out(config)
        app, invite = _application(config, console, store, directory, record, token)
        with _listening(config) as listener:  # only now a link is made: where another page runs, its link stays good
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


def _application(
    config: ReviewConfig,
    console: Console,
    store: ReviewStore,
    directory: RunDirectory,
    record: RunRecord,
    token: str | None,
) -> tuple[ASGIApp, Callable[[], str] | None]:
    """The page, and what makes the path by which its lead comes in; None where there is a token."""
    tagged = _tagged(config, record)
    manifest, images = open_catalog(tagged, console)
    is_audit = record.kind == "audit"
    bundle = _bundle(console, tagged)
    taxonomy = bundle.card.taxonomy if bundle else None
    labelled = _begin(config, console, store, directory, manifest, images, taxonomy)
    if is_audit and not store.settings.get(SUGGESTIONS):
        store.suggest(suggestions_of(directory))
    if store.settings.get(LEAF_COUNTS) is None:
        counts = label_counts(manifest, taxonomy) if labelled is None else labelled
        known = set(taxonomy.index) if taxonomy else set() if is_audit else None
        pairs = [(master, article) for master, article in store.settings.get(LEAVES)]
        store.settings.set_once(LEAF_COUNTS, vars(LeafCounts.of(pairs, counts, known)))
    who = _lead(config, store)
    secret = str(store.settings.set_once(SECRET, secrets.token_urlsafe(32)))
    report = partial(_log, console)
    sessions = Sessions(store, secret, token, who, report)
    invitations = Invitations(store.people, secret)
    review = Review(
        directory.root.name,
        store,
        Pictures(images, tagged.max_pixels),
        _leaves(store),
        Trial(bundle, record.engine, tagged.accept_above, tagged.max_pixels) if bundle else None,
        LookAlikes(VectorIndex(Location(config.index))) if config.index else None,
        is_audit,
        Synonyms.load(
            Location(config.search_words, config.s3_endpoint, config.s3_region) if config.search_words else None
        ),
        {} if is_audit else record.attributes,
        record=record,
        downloads=Downloads(store, directory, () if is_audit else tuple(record.attributes)),
        quality=None if is_audit else QualityCheck(store, directory, _targets(record)),
    )
    app = review_app(review, sessions, invitations, _origins(config), tagged.max_bytes, report)
    return app, None if token else partial(invitations.make, None, who, "lead", START_S)


def _lead(config: ReviewConfig, store: ReviewStore) -> str:
    """The name of who starts the page. Raises UsageError when somebody else's differs only by capitals."""
    name = clean_text(config.reviewer or os.environ.get("USER") or _user())[:NAME_LENGTH] or "reviewer"
    try:
        store.people.check_name(name)
    except PeopleError as error:
        raise UsageError(f"--reviewer {name}: this review has {error.name}; write it so, or take another") from error
    return name


def _leaves(store: ReviewStore) -> Leaves:
    """The classes of the catalogue and the model, and those that people have agreed on since."""
    leaves = Leaves(store.settings.get(LEAVES), LeafCounts(**store.settings.get(LEAF_COUNTS)))
    for pair in store.proposals.accepted():
        leaves.add(pair)
    return leaves


def _targets(record: RunRecord) -> dict[Level, float]:
    return {Level(name): target for name, target in record.target_precision.items()}


def _begin(
    config: ReviewConfig,
    console: Console,
    store: ReviewStore,
    directory: RunDirectory,
    manifest: Manifest,
    images: ImageStore,
    taxonomy: Taxonomy | None,
) -> Counter[Pair] | None:
    """Fill the queue of a new review; return counts of the manifest's labels where it was read for that.

    Raises UsageError when the review began with another --duplicates.
    """
    duplicates = Location(config.duplicates, config.s3_endpoint, config.s3_region) if config.duplicates else None
    filled = None
    if not store.is_filled():
        console.step("Reading the run and its manifest, once")
        groups = group_rows(duplicates, manifest, images) if duplicates else ()
        filled = fill_queue(store, directory, manifest, taxonomy, duplicates, groups)
        if filled:
            console.step(f"{filled.items:,} items to review, {filled.leaves} classes to choose from")
        if filled and filled.without_row:
            console.warn(f"{filled.without_row:,} of them are no longer in the manifest; they show without its columns")
    began_with = store.settings.get(DUPLICATES)
    if duplicates and duplicates.uri != began_with:
        raise UsageError(
            f"--duplicates: this review began {f'with {began_with}' if began_with else 'without it'}; "
            "take another --database to begin a new one"
        )
    return filled.labelled if filled else None


def _log(console: Console, line: str) -> None:
    """Write a line with a timestamp to the terminal."""
    console.warn(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC {line}")


def _origins(config: ReviewConfig) -> OriginPolicy:
    """The addresses by which browsers reach the page."""
    hosts = frozenset(LOOPBACK) if config.host in LOOPBACK else None
    if config.public_url is None:
        return OriginPolicy(hosts, None)
    url = urlsplit(config.public_url)
    return OriginPolicy(hosts | {str(url.hostname)} if hosts else None, f"{url.scheme}://{url.netloc}")


def _tagged(config: ReviewConfig, record: RunRecord) -> TagConfig:
    """The run's config, with the locations that have moved since. Raises InputError."""
    locations = {name: getattr(config, name) for name in ("manifest", "images", "model", "s3_endpoint", "s3_region")}
    config_then: Mapping[str, object] = {k: v for k, v in record.config.items() if k in TagConfig.model_fields}
    try:
        return TagConfig.model_validate({**config_then, **{name: value for name, value in locations.items() if value}})
    except ValidationError as error:
        raise InputError(f"--run: run.json's config cannot be read: {error.errors()[0]['msg']}") from error


def _bundle(console: Console, tagged: TagConfig) -> Bundle | None:
    """The bundle that tagged the run; None, with a warning, if it cannot be loaded."""
    try:
        return Bundle.load(Location(tagged.model, tagged.s3_endpoint, tagged.s3_region), "--model")
    except TaggerError as error:
        console.warn(f"{error}; the page is without a place to try an image")
        return None


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
    with suppress(KeyboardInterrupt):  # the usual way to stop a server
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
    progress = store.counts.progress("")
    console.say(f"{rows:,} of {progress.items:,} items are decided. Decisions: {folder}")
    console.result({"decided": rows, "items": progress.items, "decisions": str(folder)})
    console.say(_next(config, rows, record))
    return 0


def _next(config: ReviewConfig, decided: int, record: RunRecord) -> str:
    """The next command: review if nothing is decided; else train with an audit's decisions, or write a run's tags."""
    database = ["--database", config.database] if config.database else []
    if not decided:
        return next_line(config, "review", "--run", config.run, *database)
    run = config.run.rstrip("/")
    if record.kind == "audit":
        catalogue = catalogue_flags(_tagged(config, record).model_dump())
        return next_line(config, "train", *catalogue, "--decisions", config.out or run, "--out", f"{run}-bundle")
    return next_line(config, "apply", run, *database, "--out", f"{run}-tags")


def _check_out(config: ReviewConfig) -> Location | None:
    """The folder of --out. Raises UsageError when it is not empty."""
    if not config.out:
        return None
    folder = Location(config.out, config.s3_endpoint, config.s3_region)
    if folder.files():
        raise UsageError(f"--out: {folder} is not empty; name a new folder")
    return folder


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "reviewer"


if __name__ == "__main__":
    from tagger.jobs.shell.cli import main

    main(job="review")
