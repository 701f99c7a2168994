"""Images of items and of look-alikes, and the classes for the script's search."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse
from starlette.responses import Response

from tagger.errors import ImageError
from tagger.review.web import words
from tagger.review.web.dependencies import CurrentSession, CurrentSite, Position, Site
from tagger.review.web.images import image_of
from tagger.review.web.pages import texts_of
from tagger.review.web.pictures import ORIGINAL, PAGE, BusyError
from tagger.review.web.refusal import RefusalError

Longest = Annotated[int, Query(alias="w", ge=1, le=ORIGINAL)]
"""About how long the longest side shall be, in pixels."""
router = APIRouter()


@router.get("/images/{position}")
def image(
    request: Request, site: CurrentSite, session: CurrentSession, position: Position, longest: Longest = PAGE
) -> Response:
    """The image of an item of the queue."""
    return send_picture(request, site, site.item(position).image_ref, longest)


@router.get("/images/{position}/{number}")
def one_of_several(
    request: Request,
    site: CurrentSite,
    session: CurrentSession,
    position: Position,
    number: Position,
    longest: Longest = PAGE,
) -> Response:
    """One of several images of an item of the queue, by its number from 1."""
    return send_picture(request, site, image_of(site.item(position), number).ref, longest)


@router.get("/look-alikes/{number}")
def look_alike(
    request: Request, site: CurrentSite, session: CurrentSession, number: Position, longest: Longest = PAGE
) -> Response:
    """The image of an item of the index, by its number from 1."""
    look_alikes = site.review.look_alikes
    return send_picture(request, site, look_alikes.image_ref(number - 1) if look_alikes else None, longest)


@router.get("/leaves.json")
def leaves(request: Request, site: CurrentSite, session: CurrentSession) -> Response:
    """The classes that may be chosen, by their numbers.

    Of each: category, type, a remark, items, whether it is rare, whether the model knows it, and other words for it.
    """
    t, synonyms = texts_of(request), site.review.synonyms
    rows = [[*leaf[1:3], words.leaf_note(t, leaf), *leaf[3:], synonyms.of(leaf.article)] for leaf in site.review.leaves]
    return JSONResponse(rows)


def send_picture(request: Request, site: Site, ref: str | None, longest: int) -> Response:
    """The image behind a reference. Raises RefusalError when it cannot be shown."""
    try:
        picture = site.review.pictures.of(ref, longest)
    except ImageError as error:
        raise RefusalError(404, "image-unusable", problem=words.problem_text(texts_of(request), error.code)) from error
    except BusyError as error:
        raise RefusalError(503, "error-large-images") from error
    headers = {"Cache-Control": "private, max-age=3600"}
    return Response(picture.data, media_type=picture.media_type, headers=headers)
