"""Images of items and of look-alikes, and the classes for the script's search."""

from fastapi import APIRouter, HTTPException
from fastapi.responses import JSONResponse
from starlette.responses import Response

from tagger.errors import ImageError
from tagger.review.web.dependencies import CurrentSession, CurrentSite, Position, Site
from tagger.review.web.images import image_of
from tagger.review.web.pictures import BusyError

router = APIRouter()


@router.get("/images/{position}")
def image(site: CurrentSite, session: CurrentSession, position: Position) -> Response:
    """The image of an item of the queue."""
    return _picture(site, site.item(position).image_ref)


@router.get("/images/{position}/{number}")
def one_of_several(site: CurrentSite, session: CurrentSession, position: Position, number: Position) -> Response:
    """One of several images of an item of the queue, by its number from 1."""
    return _picture(site, image_of(site.item(position), number).ref)


@router.get("/look-alikes/{number}")
def look_alike(site: CurrentSite, session: CurrentSession, number: Position) -> Response:
    """The image of an item of the index, by its number from 1."""
    look_alikes = site.review.look_alikes
    return _picture(site, look_alikes.image_ref(number - 1) if look_alikes else None)


@router.get("/leaves.json")
def leaves(site: CurrentSite, session: CurrentSession) -> Response:
    """The classes that may be chosen."""
    return JSONResponse(site.review.leaves.for_script())


def _picture(site: Site, ref: str | None) -> Response:
    try:
        picture = site.review.pictures.of(ref)
    except ImageError as error:
        raise HTTPException(404, f"No image: {error.message}") from error
    except BusyError as error:
        raise HTTPException(503, str(error), {"Retry-After": "5"}) from error
    headers = {"Cache-Control": "private, max-age=3600"}
    return Response(picture.data, media_type=picture.media_type, headers=headers)
