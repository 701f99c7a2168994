"""Images over http: what is tried again, what is given up, and what is never asked."""

import pickle
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tagger.errors import ImageError, UsageError
from tagger.images.http.circuit_breaker import BreakerLimits
from tagger.images.http.request import RetryPolicy
from tagger.images.http.store import HttpImages
from tagger.schemas.configs.check import CheckConfig
from tagger.schemas.tables.prediction import ErrorCode
from tests.builders import catalog_of, encoded, first_batch, picture
from tests.certificates import self_signed
from tests.image_server import ImageServer, serving

JPEG = encoded(picture())
QUICK = RetryPolicy(connect_s=2, read_s=0.3, attempts=3, first_pause_s=0.001, longest_pause_s=0.002)


@pytest.fixture
def site() -> Iterator[ImageServer]:
    with serving(JPEG) as server:
        yield server


def store_of(site: ImageServer | None = None, policy: RetryPolicy = QUICK, **options: object) -> HttpImages:
    """A store that may ask a server on loopback, by its address."""
    hosts = [site.address.split("/")[2]] if site else []
    settings = {"allow_http": True, "allow_private_hosts": hosts, "http_timeout": 5, **options}
    store = HttpImages(CheckConfig(manifest="m.csv", **settings), policy=policy)  # type: ignore[arg-type]
    copied: HttpImages = pickle.loads(pickle.dumps(store))
    return copied


def one(store: HttpImages, url: str) -> bytes | ImageError:
    (answer,) = store.fetch([url])
    return answer


def failure(store: HttpImages, url: str) -> tuple[ErrorCode, str]:
    answer = one(store, url)
    assert isinstance(answer, ImageError)
    return answer.code, answer.message


@pytest.mark.parametrize("kind", ["ok", "moved", "throttled", "unavailable", "reset", "cut", "chunks", "gzip"])
def test_an_image_is_fetched_through_what_passes(site: ImageServer, kind: str) -> None:
    assert one(store_of(site), site.url(f"{kind}/1.jpg")) == JPEG


@pytest.mark.parametrize(
    ("kind", "code", "words"),
    [
        ("missing", ErrorCode.NOT_FOUND, "the server answered 404"),
        ("gone", ErrorCode.NOT_FOUND, "the server answered 410"),
        ("secret", ErrorCode.ACCESS_DENIED, "the server answered 403"),
        ("teapot", ErrorCode.STORE_ERROR, "the server answered 418"),
        ("broken", ErrorCode.STORE_ERROR, "after 3 attempts: 127.0.0.1 answered 500"),
        ("alwayscut", ErrorCode.STORE_ERROR, "after 3 attempts: IncompleteRead"),
        ("stalled", ErrorCode.STORE_ERROR, "after 3 attempts: Read timed out"),
        ("silent", ErrorCode.STORE_ERROR, "after 3 attempts: Read timed out"),
        ("far", ErrorCode.STORE_ERROR, "redirects more than 5 times"),
        ("ftp", ErrorCode.STORE_ERROR, "redirects to ftp://example.com/1.jpg, which is not an http address"),
        ("large", ErrorCode.TOO_LARGE, "larger than 100,000 bytes"),
        ("endless", ErrorCode.TOO_LARGE, "larger than 100,000 bytes"),
        ("bomb", ErrorCode.TOO_LARGE, "larger than 100,000 bytes"),
    ],
)
def test_what_does_not_pass_fails_with_its_code_and_address(
    site: ImageServer, kind: str, code: ErrorCode, words: str
) -> None:
    failed, message = failure(store_of(site, max_bytes=100_000), site.url(f"{kind}/1.jpg"))
    assert failed == code
    assert words in message
    assert message.startswith(site.url(f"{kind}/1.jpg"))


def test_redirects_in_a_circle_end(site: ImageServer) -> None:
    code, message = failure(store_of(site), site.url("circle/a"))
    assert (code, "redirects in a circle" in message) == (ErrorCode.STORE_ERROR, True)
    assert site.requests == {"/circle/a": 1, "/circle/b": 1}


@pytest.mark.parametrize("kind", ["dribbling", "dribblingheaders"])
def test_a_server_that_sends_byte_after_byte_is_let_go_when_the_time_is_over(site: ImageServer, kind: str) -> None:
    code, message = failure(store_of(site, http_timeout=0.3), site.url(f"{kind}/1.jpg"))
    assert code == ErrorCode.STORE_ERROR
    assert "not done in 0.3 s: 127.0.0.1 takes too long" in message


def test_a_full_url_is_asked_for_percent_encoded_and_without_fragment(site: ImageServer) -> None:
    for written in ("ok/sp ace/größe.jpg?v=1 2#top", "ok/per%20cent.jpg?a=b&c=d"):
        assert one(store_of(site), site.url(written)) == JPEG
    assert list(site.requests) == ["/ok/sp%20ace/gr%C3%B6%C3%9Fe.jpg?v=1%202", "/ok/per%20cent.jpg?a=b&c=d"]


def test_a_request_says_who_asks(site: ImageServer) -> None:
    one(store_of(site), site.url("ok/1.jpg"))
    assert site.headers[0]["User-Agent"].startswith("catalog-tagger/")


def test_a_password_in_an_address_is_sent_and_never_shown(site: ImageServer) -> None:
    def with_password(path: str) -> str:
        return site.url(path).replace("://", "://me:p%20w@")

    assert one(store_of(site), with_password("basic/1.jpg")) == JPEG
    for path in ("missing/1.jpg", "circle/a", "broken/1", "large/1"):
        _, message = failure(store_of(site, max_bytes=1000), with_password(path))
        assert "p%20w" not in message
        assert "p w" not in message
    private = with_password("elsewhere/1.jpg")
    assert "p%20w" not in failure(store_of(site), private)[1]
    assert {headers.get("authorization") for headers in site.headers} == {"Basic bWU6cCB3"}


def test_private_addresses_are_refused_unless_their_host_is_allowed_also_after_a_redirect(site: ImageServer) -> None:
    code, message = failure(store_of(), site.url("ok/1.jpg"))
    assert code == ErrorCode.OUTSIDE_STORE
    assert "127.0.0.1 is an address of this machine; --allow-private-hosts 127.0.0.1 allows it" in message
    code, message = failure(store_of(site), site.url("elsewhere/1.jpg"))
    assert code == ErrorCode.OUTSIDE_STORE
    assert "localhost is 127.0.0.1, an address of this machine" in message
    assert dict(site.requests) == {"/elsewhere/1.jpg": 1}
    assert one(store_of(allow_private_hosts=["*"]), site.url("elsewhere/1.jpg")) == JPEG


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "[::ffff:127.0.0.1]", "localhost", "127.1"])
def test_other_spellings_of_a_private_address_are_no_way_in(site: ImageServer, host: str) -> None:
    url = site.url("ok/1.jpg").replace("127.0.0.1", host)
    code, _ = failure(store_of(), url)
    assert code in (ErrorCode.OUTSIDE_STORE, ErrorCode.STORE_ERROR)
    assert not site.requests


def test_without_the_flag_nothing_is_asked(site: ImageServer) -> None:
    code, message = failure(store_of(site, allow_http=False), site.url("ok/1.jpg"))
    assert (code, "--allow-http" in message, dict(site.requests)) == (ErrorCode.UNSUPPORTED_URI, True, {})


@pytest.mark.parametrize(
    "url", ["http://", "http:///1.jpg", "http://a b/1.jpg", "http://x:99999/1.jpg", "http://[::1/x"]
)
def test_what_is_no_address_is_an_unsupported_uri(url: str) -> None:
    assert failure(store_of(), url)[0] == ErrorCode.UNSUPPORTED_URI


def test_a_host_that_does_not_exist_or_does_not_answer_is_a_store_error() -> None:
    assert failure(store_of(), f"http://{'x' * 70}.example/1.jpg")[0] == ErrorCode.STORE_ERROR
    code, message = failure(store_of(allow_private_hosts=["*"]), "http://127.0.0.1:9/1.jpg")
    assert (code, "after 3 attempts" in message) == (ErrorCode.STORE_ERROR, True)


def dead_after(images: int, probe_every_s: float = 1000) -> dict[str, object]:
    """Options of a store that asks for one image after another, and takes a host for dead after so many."""
    limits = BreakerLimits(images=images, silent_s=0, probe_every_s=probe_every_s)
    return {"policy": replace(QUICK, breaker=limits), "store_concurrency": 1, "http_per_host": 1}


def test_after_several_images_that_a_host_refused_the_others_fail_at_once_and_name_it(site: ImageServer) -> None:
    store = store_of(allow_private_hosts=["*"], **dead_after(4))  # type: ignore[arg-type]
    answers = list(store.fetch([*(f"http://127.0.0.1:9/{n}.jpg" for n in range(1000)), site.url("ok/1.jpg")]))
    assert answers.pop() == JPEG, "another host is another matter"
    messages = [answer.message for answer in answers if isinstance(answer, ImageError)]
    assert [n for n, message in enumerate(messages) if "after 3 attempts: " in message] == [0, 1, 2, 3]
    assert set(messages[4:]) == {
        f"http://127.0.0.1:9/{n}.jpg: 127.0.0.1 does not answer at the moment; one image is tried every 1000 s"
        for n in range(4, 1000)
    }
    assert {answer.code for answer in answers if isinstance(answer, ImageError)} == {ErrorCode.STORE_ERROR}


def test_a_host_that_is_silent_is_asked_no_more_but_one_that_answers_with_errors_is(site: ImageServer) -> None:
    options = dead_after(2)
    list(store_of(site, **options).fetch([site.url(f"silent/{n}") for n in range(9)]))  # type: ignore[arg-type]
    assert dict(site.requests) == {"/silent/0": 3, "/silent/1": 3}
    kinds = ["broken", "missing", "alwayscut", "stalled", "ok"]
    urls = [site.url(f"{kind}/{n}") for kind in kinds for n in range(3)]
    answers = list(store_of(site, **options).fetch(urls))  # type: ignore[arg-type]
    assert answers[-3:] == [JPEG] * 3


def test_a_host_that_is_back_is_found_by_a_probe() -> None:
    with serving(JPEG) as gone:
        pass
    store = store_of(gone, **dead_after(2, probe_every_s=0))  # type: ignore[arg-type]
    urls = [gone.url(f"ok/{n}") for n in range(5)]
    assert all(isinstance(answer, ImageError) for answer in store.fetch(urls))
    with serving(JPEG, port=gone.port) as back:
        assert list(store.fetch(urls)) == [JPEG] * 5
        assert back.requests.total() == 5


def test_images_come_in_order_and_no_host_is_asked_more_often_at_once_than_is_said(site: ImageServer) -> None:
    urls = [site.url(f"{'together' if n % 3 else 'missing'}/{n}.jpg") for n in range(30)]
    answers = list(store_of(site, store_concurrency=16, http_per_host=3).fetch(urls))
    assert [isinstance(answer, bytes) for answer in answers] == [n % 3 != 0 for n in range(30)]
    assert 1 < site.most_in_flight <= 3


def test_memory_is_bounded_without_a_standstill(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tagger.images.http.store._BUDGET_BYTES", 300_000)
    with serving(b"x" * 200_000) as site:
        kinds = ["ok", "chunks", "cut", "throttled"]
        urls = [site.url(f"{kinds[n % 4]}/{n}") for n in range(40)]
        store = store_of(site, store_concurrency=8, http_per_host=2, http_timeout=60)
        assert [answer == site.image for answer in store.fetch(urls)] == [True] * 40


def test_a_pattern_writes_values_into_an_address(site: ImageServer, tmp_path: Path) -> None:
    (tmp_path / "m.tsv").write_text("id\tyear\nA/1\t2012\nsp ace\t2013\nha#sh?\t2014\n../../x\t2015\n9\t\n")
    options = {"allow_http": True, "allow_private_hosts": ["127.0.0.1"]}
    manifest, store = catalog_of(tmp_path / "m.tsv", site.url("ok/{year}/{id}.jpg"), **options)
    refs = store.locate(first_batch(manifest))
    answers = list(store.fetch([ref for ref in refs if ref]))
    assert refs[-1] is None
    assert answers[:3] == [JPEG] * 3
    assert isinstance(answers[3], ImageError)
    assert answers[3].code == ErrorCode.OUTSIDE_STORE
    assert sorted(site.requests) == ["/ok/2012/A/1.jpg", "/ok/2013/sp%20ace.jpg", "/ok/2014/ha%23sh%3F.jpg"]


@pytest.mark.parametrize(
    ("images", "allowed", "words"),
    [
        ("https://cdn.example/{id}.jpg", False, "give --allow-http"),
        (
            "https://me:secret@cdn.example/x",
            True,
            r"needs a column in braces, such as https://cdn.example/x/\{id\}.jpg",
        ),
        ("https://{id}.example/1.jpg", True, "the host may not depend on a column"),
    ],
)
def test_an_address_that_cannot_be_a_pattern_is_refused(tmp_path: Path, images: str, allowed: bool, words: str) -> None:
    (tmp_path / "m.csv").write_text("id\n1\n")
    with pytest.raises(UsageError, match=words) as refused:
        catalog_of(tmp_path / "m.csv", images, allow_http=allowed)
    assert "secret" not in str(refused.value)


def test_a_column_of_http_addresses_is_refused_at_once_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("id,imageUri\n1,https://me:secret@cdn.example/1.jpg\n2,//cdn.example/2.jpg\n3,\n")
    with pytest.raises(UsageError) as refused:
        catalog_of(tmp_path / "m.csv")
    assert str(refused.value) == (
        "--images column:imageUri holds http addresses, such as https://cdn.example/1.jpg; give --allow-http to fetch "
        "them"
    )


def test_a_few_http_addresses_among_paths_fail_alone_and_are_said(site: ImageServer, tmp_path: Path) -> None:
    (tmp_path / "1.jpg").write_bytes(JPEG)
    (tmp_path / "m.csv").write_text(f"id,imageUri\n1,1.jpg\n2,1.jpg\n3,{site.url('ok/3.jpg')}\n")
    manifest, store = catalog_of(tmp_path / "m.csv")
    assert manifest.notices.texts == [
        "--images column:imageUri: 1 of the first 3 images are http addresses, which fail without --allow-http"
    ]
    answers = list(store.fetch([ref for ref in store.locate(first_batch(manifest)) if ref]))
    assert [a.code if isinstance(a, ImageError) else a for a in answers] == [JPEG, JPEG, ErrorCode.UNSUPPORTED_URI]
    manifest, store = catalog_of(tmp_path / "m.csv", allow_http=True, allow_private_hosts=["127.0.0.1"])
    assert list(store.fetch([ref for ref in store.locate(first_batch(manifest)) if ref])) == [JPEG] * 3


def test_a_proxy_of_the_environment_is_not_used_and_that_is_said(
    site: ImageServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    (tmp_path / "m.csv").write_text(f"id,imageUri\n1,{site.url('ok/1.jpg')}\n")
    manifest, store = catalog_of(tmp_path / "m.csv", allow_http=True, allow_private_hosts=["127.0.0.1"])
    assert manifest.notices.texts == ["HTTP_PROXY is set, but images over http are fetched without a proxy"]
    assert list(store.fetch([site.url("ok/1.jpg")])) == [JPEG]


def test_over_tls_certificates_are_checked_and_no_redirect_leads_back_to_http(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = self_signed(tmp_path)
    with serving(JPEG, certificate) as site:
        code, message = failure(store_of(site), site.url("ok/1.jpg"))
        assert (code, "certificate verify failed" in message) == (ErrorCode.STORE_ERROR, True)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert one(store_of(site), site.url("ok/1.jpg")) == JPEG
        code, message = failure(store_of(site), site.url("plain/1.jpg"))
        assert (code, "redirects from https to http://localhost" in message) == (ErrorCode.STORE_ERROR, True)
        code, message = failure(store_of(site, http_timeout=0.3), site.url("dribbling/1.jpg"))
        assert (code, "takes too long" in message) == (ErrorCode.STORE_ERROR, True)
