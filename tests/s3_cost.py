"""What a GET from S3 costs: CPU time of a client's process for each object, and objects a second, over loopback.

    python -m tests.s3_cost [--objects 3000] [--rounds 3]

Each round measures each client once, one after another, so that a slow moment of the machine shows in all of them. The
server is another process. `packed` reads the same images from a file of `tagger pack`, `tar` from a tar file, without
the time for its index. awscrt, which the project does not use, is measured where it is installed.
"""

import argparse
import hashlib
import importlib.util
import os
import resource
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

import urllib3
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tagger.images.parquet import ParquetImages
from tagger.images.parquet_index import ref_of
from tagger.images.s3 import S3Images
from tagger.images.tar import TarImages
from tagger.images.tar_index import TarIndex
from tagger.io.location import Location
from tagger.io.s3 import s3_client
from tagger.io.s3_bucket import open_bucket
from tagger.jobs.benchmark.loopback_s3 import BUCKET, CREDENTIALS, loopback_s3
from tagger.packing.shards import Shard
from tagger.schemas.configs.check import CheckConfig

Get = Callable[[str], bytes]
_REGION = CREDENTIALS["AWS_DEFAULT_REGION"]
_IN_FLIGHT = 16
_SIZES = (2_500, 36_000)
_FILES = 500
_WARM_UP = 200
_STORE = "the project's store"
_PACKED, _TAR = "packed.parquet", "images.tar"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    os.environ.update(CREDENTIALS)
    with tempfile.TemporaryDirectory() as folder:
        for size in _SIZES:
            for number in range(_FILES):
                Path(folder, f"{size}-{number}").write_bytes(os.urandom(size))
        with loopback_s3(Path(folder)) as endpoint:
            for size in _SIZES:
                keys = [f"{size}-{n % _FILES}" for n in range(asked.objects)]
                _pack(Path(folder), keys)
                _report(size, [_round(endpoint, keys, size) for _ in range(asked.rounds)])


def _pack(folder: Path, keys: Sequence[str]) -> None:
    """Write the images of the keys to one shard, and to a tar file."""
    shard = Shard(2**40)
    for number, key in enumerate(keys):
        shard.add(str(number), [(key, (folder / key).read_bytes())])
    shard.write(Location(str(folder / _PACKED)), Location(str(folder / "failed.parquet")))
    with tarfile.open(folder / _TAR, "w") as tar:
        for number, key in enumerate(keys):
            tar.add(folder / key, f"{number}.jpg")


def _round(endpoint: str, keys: Sequence[str], size: int) -> dict[str, tuple[float, float]]:
    """CPU milliseconds an object, and objects a second, by client."""
    measured = {}
    for name, client in _clients().items():
        get = client(endpoint)
        assert [len(body) for body in get(keys[:_WARM_UP])] == [size] * _WARM_UP
        cpu, began = _cpu_s(), time.perf_counter()
        assert sum(1 for _ in get(keys)) == len(keys)
        measured[name] = 1000 * (_cpu_s() - cpu) / len(keys), len(keys) / (time.perf_counter() - began)
    return measured


def _report(size: int, rounds: Sequence[dict[str, tuple[float, float]]]) -> None:
    print(f"{size:,} bytes, {_IN_FLIGHT} in flight: CPU ms an object by round, of boto3 (median), of the store,")
    print("  objects a second (median), of the store")
    for name in rounds[0]:
        cpu = [r[name][0] for r in rounds]
        rate = median(r[name][1] for r in rounds)
        of_boto3, of_store = (median(r[name][0] / r[other][0] for r in rounds) for other in ("boto3", _STORE))
        speed = median(r[name][1] / r[_STORE][1] for r in rounds)
        times = " ".join(f"{c:.3f}" for c in cpu)
        print(f"  {name:20s} {times}  {of_boto3:.2f} {of_store:.2f}  {rate:,.0f} {speed:.2f}")


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _clients() -> dict[str, Callable[[str], Callable[[Sequence[str]], Iterator[bytes]]]]:
    """By name, what takes an endpoint and returns what gets objects."""
    alone = {"boto3": _boto3, "urllib3, signed": _urllib3, "obstore": _obstore}
    if importlib.util.find_spec("awscrt"):
        alone["awscrt"] = _awscrt
    return {
        **{name: _threaded(client) for name, client in alone.items()},
        _STORE: _store,
        "packed": _packed,
        "tar": _tarred,
    }


def _threaded(client: Callable[[str], Get]) -> Callable[[str], Callable[[Sequence[str]], Iterator[bytes]]]:
    def opened(endpoint: str) -> Callable[[Sequence[str]], Iterator[bytes]]:
        get = client(endpoint)
        pool = ThreadPoolExecutor(_IN_FLIGHT)
        return lambda keys: pool.map(get, keys)

    return opened


def _store(endpoint: str) -> Callable[[Sequence[str]], Iterator[bytes]]:
    """The image store: obstore with its retries, order and memory budget."""
    images = S3Images(CheckConfig(manifest="-", s3_endpoint=endpoint, store_concurrency=_IN_FLIGHT))

    def get(keys: Sequence[str]) -> Iterator[bytes]:
        for body in images.fetch([f"s3://{BUCKET}/{key}" for key in keys]):
            assert isinstance(body, bytes)
            yield body

    return get


def _packed(endpoint: str) -> Callable[[Sequence[str]], Iterator[bytes]]:
    """The image store of Parquet files."""
    shard = Location(f"s3://{BUCKET}/{_PACKED}", endpoint, _REGION)

    def get(keys: Sequence[str]) -> Iterator[bytes]:
        for body in ParquetImages([shard], "image", 2**30).fetch([ref_of(shard, row) for row in range(len(keys))]):
            assert isinstance(body, bytes)
            yield body

    return get


def _tarred(endpoint: str) -> Callable[[Sequence[str]], Iterator[bytes]]:
    """The image store of tar files."""
    index = TarIndex([Location(f"s3://{BUCKET}/{_TAR}", endpoint, _REGION)])

    def get(keys: Sequence[str]) -> Iterator[bytes]:
        for body in TarImages(index, 2**30, _IN_FLIGHT).fetch(index.refs([str(n) for n in range(len(keys))])):
            assert isinstance(body, bytes)
            yield body

    return get


def _boto3(endpoint: str) -> Get:
    client = s3_client(endpoint, _REGION, _IN_FLIGHT)
    return lambda key: client.get_object(Bucket=BUCKET, Key=key)["Body"].read()


def _obstore(endpoint: str) -> Get:
    bucket = open_bucket(BUCKET, endpoint, _REGION)
    return lambda key: bucket.get(key).bytes().to_bytes()


def _urllib3(endpoint: str) -> Get:
    """urllib3 with botocore's signature."""
    pool = urllib3.connection_from_url(endpoint, maxsize=_IN_FLIGHT)
    keys = Credentials(CREDENTIALS["AWS_ACCESS_KEY_ID"], CREDENTIALS["AWS_SECRET_ACCESS_KEY"])
    auth = S3SigV4Auth(keys, "s3", _REGION)
    nothing = hashlib.sha256(b"").hexdigest()

    def get(key: str) -> bytes:
        request = AWSRequest("GET", f"{endpoint}/{BUCKET}/{key}", headers={"X-Amz-Content-SHA256": nothing})
        auth.add_auth(request)
        response = pool.urlopen("GET", f"/{BUCKET}/{key}", headers=dict(request.headers), retries=False)
        assert response.status == 200
        return response.data

    return get


def _awscrt(endpoint: str) -> Get:
    from awscrt.auth import AwsCredentialsProvider
    from awscrt.http import HttpHeaders, HttpRequest
    from awscrt.io import ClientBootstrap, DefaultHostResolver, EventLoopGroup
    from awscrt.s3 import S3Client, S3RequestTlsMode, S3RequestType, create_default_s3_signing_config

    group = EventLoopGroup(1)
    keys = AwsCredentialsProvider.new_static(CREDENTIALS["AWS_ACCESS_KEY_ID"], CREDENTIALS["AWS_SECRET_ACCESS_KEY"])
    client = S3Client(
        bootstrap=ClientBootstrap(group, DefaultHostResolver(group)),
        region=_REGION,
        signing_config=create_default_s3_signing_config(region=_REGION, credential_provider=keys),
        tls_mode=S3RequestTlsMode.DISABLED,
    )
    headers = [("host", endpoint.removeprefix("http://"))]

    def get(key: str) -> bytes:
        chunks: list[bytes] = []
        request = HttpRequest("GET", f"/{BUCKET}/{key}", HttpHeaders(headers))
        client.make_request(
            type=S3RequestType.DEFAULT, operation_name="GetObject", request=request,
            on_body=lambda chunk, offset, **_: chunks.append(chunk),
        ).finished_future.result()  # fmt: skip
        return b"".join(chunks)

    return get


if __name__ == "__main__":
    main()
