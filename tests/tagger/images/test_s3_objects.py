"""Objects of buckets: every key, every answer of the service, and what botocore's settings say of it."""

import json
import pickle
import re
import sys
from pathlib import Path

import boto3
import pytest

from tagger.errors import ImageError, UsageError
from tagger.images.revisions import Revision, Unchanged
from tagger.images.s3 import S3Images
from tagger.schemas.configs.check import CheckConfig
from tagger.schemas.tables.prediction import ErrorCode
from tests.certificates import self_signed
from tests.conftest import S3Server
from tests.faulty_s3 import Faults, faulty

KEYS = [
    "sp ace.jpg", "plus+20%.jpg", "gr%C3%BCn.jpg", "grün.jpg", "cafe\u0301.jpg", "\U0001f455.jpg", "q?x=1&y#z.jpg",
    "back\\slash.jpg", "~!*'()@:;=,$.jpg", "..two/dots..", "status code: 404.jpg",
]  # fmt: skip
KEYS_OF_BOTO3 = ["two//slashes.jpg", "/first.jpg", "last/", "a/./dot.jpg", "tab\t.jpg", "no\u00a0break.jpg"]


def store_of(endpoint: str, **options: object) -> S3Images:
    """A store as a worker has it."""
    store = S3Images(CheckConfig(manifest="m.csv", s3_endpoint=endpoint, **options))  # type: ignore[arg-type]
    copied: S3Images = pickle.loads(pickle.dumps(store))
    return copied


def fetched(endpoint: str, ref: str, **options: object) -> bytes | tuple[ErrorCode, str]:
    (answer,) = store_of(endpoint, **options).fetch([ref])
    return (answer.code, answer.message) if isinstance(answer, ImageError) else answer


@pytest.fixture
def one_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tagger.images.s3._ATTEMPTS", 1)


def test_every_key_gets_its_own_object_and_an_unchanged_one_is_not_downloaded(s3: S3Server) -> None:
    refs = [s3.put(f"keys/{key}", key.encode()) for key in [*KEYS, *KEYS_OF_BOTO3]]
    faults = Faults()
    with faulty(s3.endpoint, faults) as endpoint:
        store = store_of(endpoint)
        first = list(store.revisions(refs, [None] * len(refs)))
        assert [r.data for r in first] == [key.encode() for key in [*KEYS, *KEYS_OF_BOTO3]]
        assert faults.downloads.total() == len(refs)
        assert sum("Boto3" in headers["user-agent"] for _, headers in faults.requests) == len(KEYS_OF_BOTO3)
        etags = [r.etag for r in first]
        again = pickle.loads(pickle.dumps(store)).revisions(refs, etags)  # after its use, too
        assert list(again) == [Revision(Unchanged.UNCHANGED, etag) for etag in etags]
        assert faults.downloads.total() == len(refs)
        s3.put(f"keys/{KEYS[0]}", b"new")
        (changed,) = store.revisions(refs[:1], etags[:1])
    assert (changed.data, changed.etag != etags[0]) == (b"new", True)


@pytest.mark.parametrize("key", ["plain", "by//boto3"])
@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (404, "NoSuchKey", (ErrorCode.NOT_FOUND, "there is no object s3://shop/answers/KEY (NoSuchKey)")),
        (404, "NoSuchBucket", (ErrorCode.NOT_FOUND, "there is no object s3://shop/answers/KEY (NoSuchBucket)")),
        (403, "AccessDenied", (ErrorCode.ACCESS_DENIED, "s3://shop/answers/KEY may not be read (AccessDenied)")),
        (403, "", (ErrorCode.ACCESS_DENIED, "s3://shop/answers/KEY may not be read (403)")),
        (403, "InvalidObjectState", (ErrorCode.STORE_ERROR, "403 InvalidObjectState: It is InvalidObjectState.")),
        (400, "ExpiredToken", (ErrorCode.STORE_ERROR, "400 ExpiredToken: It is ExpiredToken.")),
        (401, "", (ErrorCode.STORE_ERROR, "answered 401")),
        (304, "", (ErrorCode.STORE_ERROR, "304 to no condition")),
        (403, "RequestTimeTooSkewed", (ErrorCode.STORE_ERROR, "after 1 attempts: the service answered 403")),
        (400, "RequestTimeout", (ErrorCode.STORE_ERROR, "after 1 attempts: the service answered 400 RequestTimeout")),
        (429, "", (ErrorCode.STORE_ERROR, "after 1 attempts: the service answered 429")),
        (503, "SlowDown", (ErrorCode.STORE_ERROR, "after 1 attempts: the service answered 503 SlowDown: It is SlowD")),
    ],
)
@pytest.mark.usefixtures("one_attempt")
def test_answers_of_the_service_are_errors_of_the_row(
    s3: S3Server, key: str, status: int, code: str, expected: tuple[ErrorCode, str]
) -> None:
    with faulty(s3.endpoint, Faults(answers={"answers/" + key: (status, code)})) as endpoint:
        error = fetched(endpoint, f"s3://shop/answers/{key}")
    assert not isinstance(error, bytes)
    assert (error[0], expected[1].replace("KEY", key) in error[1]) == (expected[0], True), error


@pytest.mark.parametrize("key", ["plain", "by//boto3"])
@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("reset", r"Connection reset|Connection was closed|Connection aborted|sending request"),
        ("truncated", "the download broke off"),
    ],
)
@pytest.mark.usefixtures("one_attempt")
def test_a_broken_connection_is_an_error_with_its_reason(s3: S3Server, key: str, fault: str, reason: str) -> None:
    ref = s3.put(f"broken/{key}", bytes(50_000))
    with faulty(s3.endpoint, Faults(**{fault: 1.0})) as endpoint:  # type: ignore[arg-type]
        error = fetched(endpoint, ref)
    assert (error[0], bool(re.search(f"after 1 attempts: .*({reason})", str(error[1])))) == (
        ErrorCode.STORE_ERROR, True
    ), error  # fmt: skip


@pytest.mark.parametrize("key", ["1.jpg", "by//boto3.jpg"])
def test_a_large_object_is_not_downloaded(s3: S3Server, key: str) -> None:
    error = fetched(s3.endpoint, s3.put(f"large/{key}", bytes(2_000_000)), max_bytes=1_000_000)
    assert error[0] == ErrorCode.TOO_LARGE


@pytest.mark.parametrize("ref", ["s3://shop/", "s3://shop", "s3://b?d/1.jpg", "s3://shop/\udcff.jpg", "s3:///1.jpg"])
def test_what_names_no_object_is_an_error_of_the_row(s3: S3Server, ref: str) -> None:
    error = fetched(s3.endpoint, ref)
    assert error[0] == ErrorCode.STORE_ERROR, error


def test_a_bucket_of_another_region_is_found(s3: S3Server) -> None:
    refs = [s3.put(f"region/{n}.jpg", b"x") for n in range(40)]
    faults = Faults(region="eu-west-1")
    with faulty(s3.endpoint, faults) as endpoint:
        assert list(store_of(endpoint, s3_region="us-east-2").fetch(refs)) == [b"x"] * len(refs)
        assert fetched(endpoint, s3.put("region//2.jpg", b"y"), s3_region="us-east-2") == b"y"


def test_without_credentials_the_command_ends(s3: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    with pytest.raises(UsageError, match="s3://shop: no S3 credentials"):
        fetched(s3.endpoint, "s3://shop/1.jpg")


@pytest.fixture
def profile(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A profile whose credentials a program prints, as with single sign-on."""
    keys = {"Version": 1, "AccessKeyId": "printed", "SecretAccessKey": "s", "SessionToken": "token"}
    program = tmp_path / "keys.py"
    program.write_text(f"print({json.dumps(json.dumps(keys))})")
    (tmp_path / "config").write_text(
        f"[profile shop]\nregion = eu-west-3\ncredential_process = {sys.executable} {program}\n"
    )
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_PROFILE", "shop")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # it keeps the files and the profile of its start


def test_credentials_and_region_are_those_of_the_profile(s3: S3Server, request: pytest.FixtureRequest) -> None:
    ref = s3.put("profile/1.jpg", b"x")
    request.getfixturevalue("profile")
    faults = Faults()
    with faulty(s3.endpoint, faults) as endpoint:
        assert fetched(endpoint, ref) == b"x"
    ((_, headers),) = faults.requests
    assert "Credential=printed/" in headers["authorization"]
    assert "/eu-west-3/s3/" in headers["authorization"]
    assert headers["x-amz-security-token"] == "token"


def test_the_endpoint_of_the_environment_is_used_and_a_flag_goes_before_it(
    s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref = s3.put("environment/1.jpg", b"x")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_SKIP_SIGNATURE", "true")  # what only obstore reads
    faults = Faults()
    with faulty(s3.endpoint, faults) as endpoint:
        assert fetched(endpoint, ref) == b"x"
    assert "authorization" in faults.requests[0][1]


@pytest.mark.usefixtures("one_attempt")
def test_over_tls_the_certificates_of_the_environment_are_trusted(
    s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref, certificate = s3.put("tls/1.jpg", b"x"), self_signed(tmp_path)
    with faulty(s3.endpoint, Faults(), certificate) as endpoint:
        error = fetched(endpoint, ref)
        assert (error[0], "certificate" in str(error[1])) == (ErrorCode.STORE_ERROR, True), error
        monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))
        assert fetched(endpoint, ref) == b"x"
