"""The S3 client of image stores and leases."""

from typing import Any

CONNECT_TIMEOUT_S, READ_TIMEOUT_S = 10, 30


def s3_client(
    endpoint: str | None,
    region: str | None,
    connections: int,
    attempts: int = 1,
    read_timeout_s: float = READ_TIMEOUT_S,
) -> Any:
    """A boto3 client with timeouts and a connection pool.

    By default it retries nothing: botocore cannot retry a body that breaks off, and all threads share its retry quota,
    which runs out when a service throttles for long.
    """
    import boto3
    from botocore.config import Config

    settings = Config(
        max_pool_connections=connections,
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=read_timeout_s,
        retries={"total_max_attempts": attempts},
        s3={"addressing_style": "path"} if endpoint else None,  # other services seldom have a host name per bucket
    )
    return boto3.client("s3", endpoint_url=endpoint, region_name=region, config=settings)
