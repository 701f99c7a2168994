"""Try an image: upload one, and see the model's prediction."""

from fastapi import APIRouter, HTTPException, Request, UploadFile
from starlette.responses import Response

from tagger.errors import ImageError, TaggerError
from tagger.review.web.dependencies import CurrentSession, CurrentSite, PostedSession
from tagger.review.web.pictures import BusyError

TRIAL = "/try"
router = APIRouter(prefix=TRIAL)


@router.get("")
def form(request: Request, site: CurrentSite, session: CurrentSession) -> Response:
    """The form for an image."""
    return site.pages.trial(request, session)


@router.post("")
def predict(request: Request, site: CurrentSite, session: PostedSession, image: UploadFile) -> Response:
    """Predict an uploaded image."""
    if site.review.trial is None:
        raise HTTPException(404, "The run's bundle is not at hand.")
    try:
        result = site.review.trial.of(image.file.read())
    except ImageError as error:
        return site.pages.trial(request, session, 422, problem=f"This image cannot be used: {error.message}")
    except BusyError as error:
        return site.pages.trial(request, session, 503, problem=str(error))
    except TaggerError as error:
        return site.pages.trial(request, session, 500, problem=str(error))
    return site.pages.trial(request, session, result=result)
