"""Gets single objects of S3 buckets, each once: a caller retries.

obstore does it: a GET of 2.5 or 36 KB takes it 0.07 of boto3's CPU time. urllib3 with botocore's signature takes 0.28,
awscrt 0.10 to 0.11 (`python -m tests.s3_cost`). boto3 gets the objects whose keys obstore cannot name.
"""

import re
from collections.abc import Callable
from functools import cached_property
from http.client import HTTPException
from threading import Lock
from typing import TYPE_CHECKING, Any

from tagger.errors import ImageError, UsageError
from tagger.images.revisions import Revision, Unchanged, valid_etag
from tagger.io.location import S3, first_line
from tagger.io.s3 import s3_client
from tagger.io.s3_bucket import bucket_region, open_bucket
from tagger.schemas.tables.prediction import ErrorCode

if TYPE_CHECKING:
    from obstore import GetResult
    from obstore.store import S3Store

_NOT_FOUND = {"NoSuchKey", "NoSuchBucket", "404", "NotFound"}
_DENIED = {"AccessDenied", "403", "Forbidden", "InvalidAccessKeyId", "SignatureDoesNotMatch"}
_NOT_MODIFIED = 304
_RETRYABLE_STATUS = {408, 429}
_RETRYABLE = {"SlowDown", "RequestTimeout", "Throttling", "ThrottlingException", "RequestTimeTooSkewed"}
_MOVED = 301
_PERHAPS_OTHER_REGION = {_MOVED, 307, 400, 403}
_ANSWERED = "Server returned non-2xx status code: "
_REDIRECTED = "Received redirect without LOCATION"
_DETAILS = "\n\nDebug source"
_NOT_IN_OBSTORE = {"", ".", ".."}
"""Parts of a key between slashes that obstore refuses or leaves out. It refuses control characters, too."""


class RetryableError(Exception):
    """An error after which another attempt may succeed."""


class ObjectReader:
    """Gets objects by bucket and key. Its methods may be called by several threads.

    Args:
        endpoint: The service's address; None for that of the environment, or Amazon's.
        region: The region; None for that of the environment. A bucket of another one is found all the same.
        connections: Number of threads that get objects.
        max_bytes: Larger objects are not downloaded.
    """

    def __init__(self, endpoint: str | None, region: str | None, connections: int, max_bytes: int) -> None:
        self._endpoint = endpoint
        self._region = region
        self._connections = connections
        self._max_bytes = max_bytes
        self._buckets: dict[str, S3Store] = {}
        self._regions: dict[str, str | None] = {}
        """What the service has said, by bucket."""
        self._opening = Lock()

    def get(self, bucket: str, key: str, etag: str | None, reserve: Callable[[int], None]) -> Revision:
        """Get one object, or Unchanged when it still has the ETag.

        Args:
            bucket: Name of the bucket.
            key: Key of the object.
            etag: ETag of a known version.
            reserve: Called with the object's bytes before its body is read.

        Raises:
            RetryableError: When another attempt may succeed.
            ImageError: When none will.
            UsageError: Without credentials.
        """
        from botocore.exceptions import BotoCoreError, NoCredentialsError, ParamValidationError

        try:
            if key.isprintable() and _NOT_IN_OBSTORE.isdisjoint(key.split("/")):
                return self._get_with_obstore(bucket, key, etag, reserve)
            return self._get_with_boto3(bucket, key, etag, reserve)
        except NoCredentialsError as error:
            raise UsageError(f"s3://{bucket}: no S3 credentials; set them in the environment or a profile") from error
        except (ParamValidationError, ValueError) as error:
            raise ImageError(ErrorCode.STORE_ERROR, first_line(error)) from error
        except (BotoCoreError, OSError) as error:
            raise RetryableError(first_line(error)) from error

    def _get_with_obstore(self, bucket: str, key: str, etag: str | None, reserve: Callable[[int], None]) -> Revision:
        from obstore.exceptions import BaseError, NotModifiedError

        store, address = self._opened(bucket), f"{S3}{bucket}/{key}"
        try:
            result = store.get(key, options={"if_none_match": etag} if etag else None)
        except NotModifiedError as error:
            return _unchanged(address, etag, error)
        except (BaseError, FileNotFoundError) as error:
            raise self._error_of(error, store, bucket, address) from error
        self._reserve(result.meta["size"], address, reserve)
        return Revision(_body(result), valid_etag(result.meta["e_tag"]))

    def _opened(self, bucket: str) -> "S3Store":
        with self._opening:
            if bucket not in self._buckets:
                self._buckets[bucket] = open_bucket(bucket, self._endpoint, self._regions.get(bucket) or self._region)
            return self._buckets[bucket]

    def _error_of(self, error: Exception, store: "S3Store", bucket: str, address: str) -> Exception:
        text, _, details = str(error).partition(_DETAILS)
        before, _, answer = text.partition(_ANSWERED)
        if not answer and _REDIRECTED not in before:
            return RetryableError(f"{text.rsplit(' - ', 1)[-1]}{_cause(details)}")
        status = int(answer[:3]) if answer[:3].isdecimal() else _MOVED
        if status in _PERHAPS_OTHER_REGION and self._is_elsewhere(bucket, store):
            return RetryableError(f"{bucket} is in another region")
        return _classified(_element("Code", answer) or str(status), status, _element("Message", answer), address)

    def _is_elsewhere(self, bucket: str, store: "S3Store") -> bool:
        """Whether a request went to the wrong region, and the bucket's is known now. The service is asked once."""
        with self._opening:
            if self._buckets.get(bucket) is not store:
                return True  # another thread has found out
            if bucket in self._regions:
                return False
            self._regions[bucket] = bucket_region(bucket, self._endpoint, self._region)
            if self._regions[bucket] in (None, store.config.get("region")):
                return False
            del self._buckets[bucket]
            return True

    @cached_property
    def _client(self) -> Any:
        return s3_client(self._endpoint, self._region, self._connections)

    def _get_with_boto3(self, bucket: str, key: str, etag: str | None, reserve: Callable[[int], None]) -> Revision:
        from botocore.exceptions import BotoCoreError, ClientError

        address = f"{S3}{bucket}/{key}"
        condition = {"IfNoneMatch": etag} if etag else {}
        with self._opening:
            client = self._client
        try:
            response = client.get_object(Bucket=bucket, Key=key, **condition)
        except ClientError as error:
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
            if status == _NOT_MODIFIED:
                return _unchanged(address, etag, error)
            detail = error.response.get("Error", {})
            raise _classified(detail.get("Code", ""), status, detail.get("Message", ""), address) from error
        size, body = response["ContentLength"], response["Body"]
        try:
            self._reserve(size, address, reserve)
            data: bytes = body.read()
        except (BotoCoreError, OSError, HTTPException) as error:
            raise RetryableError(f"the download broke off: {first_line(error)}") from error
        finally:
            body.close()
        if len(data) != size:
            raise RetryableError(f"the download broke off after {len(data):,} of {size:,} bytes")
        return Revision(data, valid_etag(response.get("ETag")))

    def _reserve(self, size: int, address: str, reserve: Callable[[int], None]) -> None:
        """Reserve memory for a body. Raises ImageError for one that is too large."""
        if size > self._max_bytes:
            raise ImageError(ErrorCode.TOO_LARGE, f"{address} is larger than {self._max_bytes:,} bytes")
        reserve(size)


def _body(result: "GetResult") -> bytes:
    """Read the whole body; obstore raises where it ends early."""
    from obstore.exceptions import BaseError

    try:
        return result.bytes().to_bytes()
    except BaseError as error:
        raise RetryableError(f"the download broke off{_cause(str(error))}") from error


def _unchanged(address: str, etag: str | None, error: Exception) -> Revision:
    """The answer 304. Raises ImageError when nobody asked whether the object has changed."""
    if etag is None:
        raise ImageError(ErrorCode.STORE_ERROR, f"{address}: the service answered 304 to no condition") from error
    return Revision(Unchanged.UNCHANGED, etag)


def _classified(code: str, status: int, message: str, address: str) -> Exception:
    """The error for an answer of the service: an ImageError, or RetryableError when another attempt may succeed."""
    if code in _NOT_FOUND:
        return ImageError(ErrorCode.NOT_FOUND, f"there is no object {address} ({code})")
    if code in _DENIED:
        return ImageError(ErrorCode.ACCESS_DENIED, f"{address} may not be read ({code})")
    reason = f"the service answered {status}" + (f" {code}" if code != str(status) else "")
    reason += f": {message}" if message else ""
    if status >= 500 or status in _RETRYABLE_STATUS or code in _RETRYABLE:
        return RetryableError(reason)
    return ImageError(ErrorCode.STORE_ERROR, f"{address}: {reason}")


def _element(name: str, document: str) -> str:
    """The text of an element of the error that S3 sends, or an empty one."""
    match = re.search(f"<{name}>([^<]*)</{name}>", document)
    return match[1].strip() if match else ""


def _cause(details: str) -> str:
    """What obstore's details of a failed connection name as its innermost cause, in parentheses."""
    if refused := re.search(r"InvalidCertificate\(\s*(\w+)", details):
        return f" (its certificate is refused: {refused[1]})"
    causes = re.findall(r'(?:message|error): "([^"]*)"', details) or re.findall(r"kind: (\w+)", details)[:1]
    return f" ({causes[-1]})" if causes else ""
