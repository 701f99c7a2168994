"""Try an image: upload one, and see the model's prediction."""

from fastapi import APIRouter, Request, UploadFile
from starlette.responses import Response

from tagger.errors import ImageError, TaggerError
from tagger.review.web.dependencies import CurrentSession, CurrentSite, PostedByAnyone
from tagger.review.web.pages import texts_of
from tagger.review.web.pictures import BusyError
from tagger.review.web.refusal import RefusalError

TRIAL = "/try"
router = APIRouter(prefix=TRIAL)


@router.get("")
def form(request: Request, site: CurrentSite, session: CurrentSession) -> Response:
    """The form for an image."""
    return site.pages.trial(request, session)


@router.post("")
def predict(request: Request, site: CurrentSite, session: PostedByAnyone, image: UploadFile) -> Response:
    """Predict an uploaded image."""
    if site.review.trial is None:
        raise RefusalError(404, "try-missing")
    t = texts_of(request)
    try:
        result = site.review.trial.of(image.file.read())
    except ImageError as error:
        return site.pages.trial(request, session, 422, problem=t("try-unusable", problem=error.message))
    except BusyError:
        return site.pages.trial(request, session, 503, problem=t("error-large-images"))
    except TaggerError as error:
        return site.pages.trial(request, session, 500, problem=str(error))
    return site.pages.trial(request, session, result=result)
