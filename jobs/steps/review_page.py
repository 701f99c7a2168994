"""Puts the review page together: the queue, the people, and what works behind it."""

import secrets
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from functools import partial
from urllib.parse import urlsplit

from pydantic import ValidationError
from starlette.types import ASGIApp

from tagger.errors import InputError, TaggerError, UsageError
from tagger.images.stores import ImageStore
from tagger.io.location import Location
from tagger.jobs.shell.console import Console
from tagger.machine import user_name
from tagger.manifest.manifest import Manifest
from tagger.models.bundle import Bundle
from tagger.review.store.found_groups import group_rows
from tagger.review.store.leaves import LeafCounts, Leaves, Pair
from tagger.review.store.people import PeopleError
from tagger.review.store.queue import fill_queue, label_counts, merged, suggestions_of
from tagger.review.store.review import ReviewStore
from tagger.review.store.settings import DUPLICATES, LEAF_COUNTS, LEAVES, SECRET, SUGGESTIONS
from tagger.review.web.app import review_app
from tagger.review.web.behind import Behind
from tagger.review.web.check import QualityCheck
from tagger.review.web.dependencies import NAME_LENGTH
from tagger.review.web.disputes import count_look_alikes
from tagger.review.web.downloads import Downloads
from tagger.review.web.invitations import START_S, Invitations
from tagger.review.web.item_view import Review
from tagger.review.web.look_alikes import LookAlikes
from tagger.review.web.offers import Offers
from tagger.review.web.origins import LOOPBACK, OriginPolicy
from tagger.review.web.pictures import Pictures
from tagger.review.web.refitting import Refitting
from tagger.review.web.sessions import Sessions, clean_text
from tagger.review.web.synonyms import Synonyms
from tagger.review.web.trial import Trial
from tagger.runs.directory import RunDirectory
from tagger.runs.ledger import LedgerEntry
from tagger.runs.recorded import config_of
from tagger.runs.roots import ROLLBACK
from tagger.schemas.configs.review import ReviewConfig
from tagger.schemas.configs.tag import TagConfig
from tagger.schemas.documents.run import RunRecord
from tagger.schemas.documents.taxonomy import Level, Taxonomy
from tagger.similarity.index import VectorIndex
from tagger.workflows.open_catalog import model_path, open_catalog, resolve_location


def review_page(
    config: ReviewConfig,
    console: Console,
    store: ReviewStore,
    directory: RunDirectory,
    record: RunRecord,
    token: str | None,
    index: VectorIndex | None,
    behind: Behind,
) -> tuple[ASGIApp, Callable[[], str] | None]:
    """The page, and what makes the path by which its lead comes in; None where there is a token."""
    tagged = tag_config(config, directory.root, record)
    manifest, images = open_catalog(tagged, console)
    is_audit = record.kind == "audit"
    bundle = _bundle(console, tagged)
    taxonomy = bundle.card.taxonomy if bundle else None
    look_alikes = LookAlikes(index) if index else None
    further = further_classes(bundle, look_alikes)
    labelled = _begin(config, console, store, directory, manifest, images, taxonomy, further)
    if is_audit and not store.settings.get(SUGGESTIONS):
        store.suggest(suggestions_of(directory))
    if store.settings.get(LEAF_COUNTS) is None:
        counts = label_counts(manifest, taxonomy) if labelled is None else labelled
        counts = counts | merged(further, taxonomy) if counts else counts  # without labels, no class is rare
        known = set(taxonomy.index) if taxonomy else set() if is_audit else None
        leaf_pairs = [(master, article) for master, article in store.settings.get(LEAVES)]
        store.settings.set_once(LEAF_COUNTS, vars(LeafCounts.of(leaf_pairs, counts, known)))
    who = _lead(config, store)
    secret = str(store.settings.set_once(SECRET, secrets.token_urlsafe(32)))
    report = partial(log, console)
    sessions = Sessions(store, secret, token, who, report)
    invitations = Invitations(store.people, secret)
    leaves = _leaves(store)
    offers = None
    if index is not None and look_alikes is not None:
        behind.begin("the queue's order is without similar items", partial(count_look_alikes, store, look_alikes))
        offers = _offers(config, store, leaves, index, is_audit, behind)
    review = Review(
        directory.root.name,
        store,
        Pictures(images, tagged.max_pixels),
        leaves,
        _trial(console, bundle, tagged, record) if bundle else None,
        look_alikes,
        is_audit,
        Synonyms.load(
            Location(config.search_words, config.s3_endpoint, config.s3_region) if config.search_words else None
        ),
        {} if is_audit else record.attributes,
        record=record,
        ledger_entry=LedgerEntry(directory, record, directory.is_done(), (directory.root / ROLLBACK).exists()),
        is_blind=record.kind == "comparison",
        offers=offers,
        refit_target=config.refit,
        downloads=Downloads(store, directory, () if is_audit else tuple(record.attributes)),
        quality=None if is_audit else QualityCheck(store, directory, _targets(record)),
    )
    app = review_app(review, sessions, invitations, _origins(config), tagged.max_bytes, report)
    return app, None if token else partial(invitations.make, None, who, "lead", START_S)


def further_classes(bundle: Bundle | None, look_alikes: LookAlikes | None) -> Counter[Pair]:
    """Items by classes of the shop that this manifest may lack: those with too few to be learnt, and the index's."""
    left_out = bundle.card.provenance.left_out if bundle else ()
    items = Counter({(leaf.master_category, leaf.article_type): leaf.items for leaf in left_out})
    return items | look_alikes.classes() if look_alikes else items


def _offers(
    config: ReviewConfig,
    store: ReviewStore,
    leaves: Leaves,
    index: VectorIndex,
    is_audit: bool,
    behind: Behind,
) -> Offers | None:
    """What an index has to offer; it is prepared while the page is there. An audit offers nothing."""
    if is_audit or not config.similar_offers:
        return None
    offers = Offers(store, index, leaves, config.similar_offers)
    behind.begin("without offers of similar items", offers.prepare)
    return offers


def refitting(
    config: ReviewConfig, console: Console, store: ReviewStore, record: RunRecord, index: VectorIndex | None
) -> AbstractContextManager[object]:
    """What refits while the page is there. Raises UsageError where it cannot."""
    if config.refit is None:
        return nullcontext()
    if record.kind == "audit":
        raise UsageError("--refit: an audit asks about labels, which a refit does not accept")
    if index is None:
        raise UsageError("--refit: it learns from the vectors of an index; name one that has this run with --index")
    return Refitting(store, index, config.refit, partial(log, console))


def _lead(config: ReviewConfig, store: ReviewStore) -> str:
    """The name of who starts the page. Raises UsageError when somebody else's differs only by capitals."""
    name = clean_text(config.reviewer or user_name("reviewer"))[:NAME_LENGTH] or "reviewer"
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
    further: Collection[Pair],
) -> Counter[Pair] | None:
    """Fill the queue of a new review; return counts of the manifest's labels where it was read for that.

    Besides the classes of model and manifest, `further` ones can be chosen. Raises UsageError when the review began
    with another --duplicates.
    """
    duplicates = Location(config.duplicates, config.s3_endpoint, config.s3_region) if config.duplicates else None
    filled = None
    if not store.is_filled():
        console.step("Reading the run and its manifest, once")
        groups = group_rows(duplicates, manifest, images) if duplicates else ()
        filled = fill_queue(store, directory, manifest, taxonomy, duplicates, groups, further)
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


def log(console: Console, line: str) -> None:
    """Write a line with a timestamp to the terminal."""
    console.warn(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC {line}")


def _origins(config: ReviewConfig) -> OriginPolicy:
    """The addresses by which browsers reach the page."""
    hosts = frozenset(LOOPBACK) if config.host in LOOPBACK else None
    if config.public_url is None:
        return OriginPolicy(hosts, None)
    url = urlsplit(config.public_url)
    return OriginPolicy(hosts | {str(url.hostname)} if hosts else None, f"{url.scheme}://{url.netloc}")


def tag_config(config: ReviewConfig, root: Location, record: RunRecord) -> TagConfig:
    """The run's config, with the locations that have moved since. Raises InputError."""
    locations = {name: getattr(config, name) for name in ("manifest", "images", "model", "s3_endpoint", "s3_region")}
    if config.model:
        locations["model"] = model_path(config.model, config)
    then: Mapping[str, object] = {k: v for k, v in config_of(root, record).items() if k in TagConfig.model_fields}
    try:
        return TagConfig.model_validate({**then, **{name: value for name, value in locations.items() if value}})
    except ValidationError as error:
        raise InputError(f"--run: run.json's config cannot be read: {error.errors()[0]['msg']}") from error


def _bundle(console: Console, tagged: TagConfig) -> Bundle | None:
    """The bundle that tagged the run; None, with a warning, if it cannot be loaded."""
    try:
        return Bundle.load(resolve_location(tagged.model, tagged), "--model")
    except TaggerError as error:
        _warn_untried(console, error)
        return None


def _trial(console: Console, bundle: Bundle, tagged: TagConfig, record: RunRecord) -> Trial | None:
    """The place to try an image; None, with a warning, if the bundle is not whole."""
    try:
        folder = resolve_location(tagged.model, tagged)
        return Trial(bundle, folder, record.engine, tagged.accept_above, tagged.max_pixels)
    except TaggerError as error:
        _warn_untried(console, error)
        return None


def _warn_untried(console: Console, error: TaggerError) -> None:
    console.warn(f"{error}; the page is without a place to try an image")
