"""Where a review begins and ends: what waits and for how long, what it has come to, and files to take away."""

from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock

from fastapi import APIRouter, Request
from starlette.background import BackgroundTask
from starlette.responses import FileResponse, Response

from tagger.review.web.dependencies import CurrentSession, CurrentSite
from tagger.review.web.downloads import Suffix, What
from tagger.review.web.overview import start_view, summary_view
from tagger.review.web.pages import texts_of
from tagger.review.web.refusal import RefusalError

_writing = Lock()
"""One file is written at a time: it takes a core, and memory by the number of decisions."""
router = APIRouter()


@router.get("/")
def start(request: Request, site: CurrentSite, session: CurrentSession) -> Response:
    """What this is, what waits, and how long it will take."""
    view = start_view(site.review, texts_of(request), session.who)
    return site.pages.page(request, session, "start.html", view="start", **view)


@router.get("/summary")
def summary(request: Request, site: CurrentSite, session: CurrentSession) -> Response:
    """What was decided, by class and by person, and files to take away."""
    return site.pages.page(
        request, session, "summary.html", view="summary", **summary_view(site.review, texts_of(request))
    )


@router.get("/downloads/{what}.{suffix}")
def download(site: CurrentSite, session: CurrentSession, what: What, suffix: Suffix) -> Response:
    """A file with the final tags, the decisions, or the answers about duplicates, as they are now."""
    downloads = site.review.downloads
    has_none = what == "duplicates" and not site.store.groups.counts().answered
    if downloads is None or has_none or (what == "tags" and site.review.is_audit):
        raise RefusalError(404, "error-404")
    if not _writing.acquire(blocking=False):
        raise RefusalError(503, "error-writing")
    folder = TemporaryDirectory(prefix="tagger-download-")
    try:
        file = downloads.write(what, suffix, Path(folder.name))
    except BaseException:
        folder.cleanup()
        raise
    finally:
        _writing.release()
    name = f"{site.review.name}-{file.name}"
    return FileResponse(
        file, filename=name, headers={"Cache-Control": "no-store"}, background=BackgroundTask(folder.cleanup)
    )
