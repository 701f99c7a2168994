"""The review page: a queue of single items, a grid by predicted class, and a form to try an image."""

from collections.abc import Callable
from pathlib import Path

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp

from tagger.review.web.dependencies import Site
from tagger.review.web.faults import Faults
from tagger.review.web.guard import Guard
from tagger.review.web.invitations import Invitations
from tagger.review.web.item_view import Review
from tagger.review.web.origins import OriginPolicy
from tagger.review.web.pages import Pages
from tagger.review.web.sessions import Sessions
from tagger.review.web.views import (
    alike,
    check,
    duplicates,
    found,
    grid,
    images,
    items,
    overview,
    people,
    proposals,
    queue,
    second,
    sign_in,
    story,
    trial,
)

_PAGES = (
    "/queue",
    "/grid",
    "/alike",
    "/try",
    "/find",
    "/items",
    "/check",
    "/second",
    "/duplicates",
    "/summary",
    "/proposals",
    "/people",
)
"""Path prefixes of pages that need a session; most of them claim items."""


def review_app(
    review: Review,
    sessions: Sessions,
    invitations: Invitations,
    origins: OriginPolicy,
    upload_bytes: int,
    report: Callable[[str], None] = lambda line: None,
) -> ASGIApp:
    """The page as an ASGI application.

    Args:
        review: What is reviewed.
        sessions: Who is in.
        invitations: The links by which people come in.
        origins: Under which addresses.
        upload_bytes: Largest image to try.
        report: Takes a line for the terminal about what went wrong.
    """
    app = FastAPI(title="catalog-tagger review", docs_url=None, redoc_url=None, openapi_url=None)
    site = Site(review, sessions, origins, Pages(review, sessions), invitations, report)
    app.state.site = site
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"), name="static")
    for view in (
        overview, queue, alike, check, second, duplicates, found, items, story, proposals, grid, images, trial, people,
        sign_in,
    ):  # fmt: skip
        app.include_router(view.router)
    Faults(site).register(app)

    def has_session(request: HTTPConnection) -> bool:
        return sessions.of(request) is not None

    guarded = Guard(app, origins, has_session, {trial.TRIAL: upload_bytes}, _PAGES)
    return sessions.middleware(guarded, https_only=origins.is_secure)
