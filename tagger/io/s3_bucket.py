"""Opens a bucket for obstore, a client that takes a fraction of boto3's CPU time for a GET.

botocore resolves what obstore would resolve in its own way: credentials, the bucket's address, its region, and the
certificates that are trusted. So all clients of a command reach the same service with the same settings.
"""

import os
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from tagger.io.s3 import CONNECT_TIMEOUT_S, READ_TIMEOUT_S, s3_client

if TYPE_CHECKING:
    from obstore.store import S3Store

_LONGEST_GET = timedelta(minutes=10)
_CREDENTIALS_FOR = timedelta(minutes=9)
"""How long credentials are used until botocore is asked again, which returns them ten minutes before they expire."""
_ATTEMPTS = 5
_NO_REGION = "aws-global"
_DEFAULT_REGION = "us-east-1"


def open_bucket(bucket: str, endpoint: str | None, region: str | None) -> "S3Store":
    """A bucket in obstore. It sends no request yet, and later ones once only: the caller retries.

    Raises ValueError or a BotoCoreError for an invalid name, and NoCredentialsError without credentials.
    """
    import botocore.session
    from botocore.exceptions import NoCredentialsError
    from obstore.auth.boto3 import Boto3CredentialProvider
    from obstore.store import S3Store

    # the runtime's threads, by default one a core, would be the square of the cores over all workers of a machine
    os.environ.setdefault("TOKIO_WORKER_THREADS", "1")
    session = botocore.session.get_session()
    if session.get_credentials() is None:
        raise NoCredentialsError
    client = s3_client(endpoint, region, 1)
    signed = client.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "-"})
    address = signed.partition("?")[0].removesuffix("/-")
    is_plain = address.startswith("http://")
    signing_region = client.meta.region_name
    return S3Store(
        bucket,
        aws_endpoint_url_s3=address,
        virtual_hosted_style_request=True,  # the address names the bucket
        region=_DEFAULT_REGION if signing_region in (None, _NO_REGION) else signing_region,
        credential_provider=Boto3CredentialProvider(session, ttl=_CREDENTIALS_FOR),
        skip_signature=False,  # a variable of the environment that only obstore reads would change it
        s3_express=False,
        client_options={
            "allow_http": is_plain,
            "connect_timeout": timedelta(seconds=CONNECT_TIMEOUT_S),
            "read_timeout": timedelta(seconds=READ_TIMEOUT_S),
            "timeout": _LONGEST_GET,
            **(
                {}
                if is_plain
                else {"root_certificate": _trusted_certificates(session.get_config_variable("ca_bundle"))}
            ),
        },
        retry_config={"max_retries": 0},
    )


def bucket_region(bucket: str, endpoint: str | None, region: str | None) -> str | None:
    """The region that the service names for a bucket; None when it names none, or cannot be reached."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        answer = s3_client(endpoint, region, 1, _ATTEMPTS).head_bucket(Bucket=bucket)
    except ClientError as error:
        answer = error.response
    except BotoCoreError:
        return None
    stated: str | None = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("x-amz-bucket-region")
    return stated


def _trusted_certificates(bundle: str | None) -> bytes:
    """The certificates that botocore trusts, by its settings or its own; those of the system are trusted, too."""
    from botocore.httpsession import get_cert_path

    return Path(get_cert_path(bundle or os.environ.get("REQUESTS_CA_BUNDLE") or True)).read_bytes()
