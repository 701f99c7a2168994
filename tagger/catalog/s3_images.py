"""Images in S3 buckets: many requests in flight, retried with backoff, every failure with a code of its own."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any

from schemas.config import CatalogOptions
from schemas.prediction import ErrorCode
from tagger.catalog.manifest import Batch
from tagger.catalog.patterns import fill_pattern
from tagger.errors import ImageError, UsageError
from tagger.storage import S3, first_line

_NOT_FOUND = {"NoSuchKey", "NoSuchBucket", "404", "NotFound"}
_DENIED = {"AccessDenied", "403", "Forbidden", "InvalidAccessKeyId", "SignatureDoesNotMatch"}
_CONNECT_TIMEOUT_S = 10
_READ_TIMEOUT_S = 30
_ATTEMPTS = 6


class S3Images:
    """Objects by `s3://BUCKET/KEY`. The client is made where it is first used, so that the store can travel."""

    ordered_by_store = False

    def __init__(self, options: CatalogOptions, pattern: str | None = None, within: str | None = None) -> None:
        self._pattern = pattern
        self._within = within
        self._endpoint = options.s3_endpoint
        self._region = options.s3_region
        self._max_bytes = options.max_bytes
        self._concurrency = options.store_concurrency

    @classmethod
    def of_pattern(cls, pattern: str, options: CatalogOptions) -> "S3Images":
        """A prefix with a pattern over the manifest's columns, such as `s3://shop/img/{id}.jpg`."""
        bucket = pattern.removeprefix(S3).split("/", 1)[0]
        if not bucket or "{" in bucket:
            raise UsageError(f"--images: {pattern} names no bucket")
        prefix = pattern[: pattern.index("{")].rsplit("/", 1)[0] + "/"
        return cls(options, pattern, within=prefix)

    def locate(self, batch: Batch) -> list[str | None]:
        """References are the objects' addresses."""
        return fill_pattern(self._pattern or "", batch.items)

    def fetch(self, refs: Sequence[str]) -> list[bytes | ImageError]:
        """Get the objects, `store_concurrency` at a time."""
        return list(self._pool.map(self._get, refs)) if refs else []

    def __getstate__(self) -> dict[str, object]:
        return {k: v for k, v in self.__dict__.items() if k not in ("_pool", "_client")}

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self._concurrency, thread_name_prefix="s3")

    @cached_property
    def _client(self) -> Any:
        import boto3
        from botocore.config import Config

        settings = Config(
            max_pool_connections=self._concurrency,
            connect_timeout=_CONNECT_TIMEOUT_S,
            read_timeout=_READ_TIMEOUT_S,
            retries={"mode": "standard", "max_attempts": _ATTEMPTS},
        )
        return boto3.client("s3", endpoint_url=self._endpoint, region_name=self._region, config=settings)

    def _get(self, ref: str) -> bytes | ImageError:
        from botocore.exceptions import BotoCoreError, ClientError

        bucket, _, key = ref.removeprefix(S3).partition("/")
        if ".." in key.split("/") or (self._within and not ref.startswith(self._within)):
            return ImageError(ErrorCode.OUTSIDE_STORE, f"{ref!r} leaves the image store")
        try:
            body = self._client.get_object(Bucket=bucket, Key=key)
            if body["ContentLength"] > self._max_bytes:
                body["Body"].close()
                return ImageError(ErrorCode.TOO_LARGE, f"the object is larger than {self._max_bytes:,} bytes")
            return body["Body"].read()  # type: ignore[no-any-return]
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            if code in _NOT_FOUND:
                return ImageError(ErrorCode.NOT_FOUND, f"there is no such object ({code})")
            if code in _DENIED:
                return ImageError(ErrorCode.ACCESS_DENIED, f"the object may not be read ({code})")
            return ImageError(ErrorCode.STORE_ERROR, first_line(error))
        except (BotoCoreError, OSError) as error:
            return ImageError(ErrorCode.STORE_ERROR, first_line(error))
