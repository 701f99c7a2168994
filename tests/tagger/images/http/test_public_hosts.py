"""Which addresses are public, how hosts are paused, and how addresses are written."""

from datetime import UTC, datetime

import pytest

from tagger.images.http.hosts import LONGEST_PAUSE_S, Host, retry_after
from tagger.images.http.public_hosts import is_private_allowed, private_kind
from tagger.images.urls import next_url, percent_encoded, redacted, request_url, scheme_of


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.8.8", "10.0.0.1", "172.16.3.4", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
        "224.0.0.1", "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1", "::1", "::", "fe80::1%eth0", "fc00::1",
        "fd00:ec2::254", "ff02::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:10.1.2.3", "::127.0.0.1",
        "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2002:a9fe:a9fe::1", "2001:db8::1",
    ],
)  # fmt: skip
def test_private_reserved_and_disguised_addresses_are_not_public(address: str) -> None:
    assert private_kind(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "151.101.1.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_public_addresses_are_public(address: str) -> None:
    assert private_kind(address) is None


def test_a_cloud_s_metadata_service_is_let_in_by_its_name_alone() -> None:
    for address in ("169.254.169.254", "::ffff:169.254.169.254"):
        assert not is_private_allowed("metadata", 80, ["*"], address)
        assert is_private_allowed("metadata", 80, ["METADATA:80"], address)
    assert is_private_allowed("cdn", 80, ["*"], "10.0.0.1")
    assert not is_private_allowed("cdn", 80, ["cdn:81", "other"], "10.0.0.1")


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None), ("", None), ("soon", None), ("7", 7.0), (" 120 ", 120.0),
        ("Fri, 27 Nov 2026 12:00:30 GMT", 30.0), ("Fri, 27 Nov 2026 11:00:00 GMT", 0.0),
    ],
)  # fmt: skip
def test_retry_after_is_read_as_seconds_or_as_a_date(header: str | None, seconds: float | None) -> None:
    assert retry_after(header, datetime(2026, 11, 27, 12, 0, 0, tzinfo=UTC)) == seconds


@pytest.mark.parametrize(("asked_s", "paused_s"), [(7, 7), (3600, LONGEST_PAUSE_S)])
def test_a_host_that_asks_for_a_pause_is_not_asked_before(asked_s: float, paused_s: float) -> None:
    now = 100.0
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        nonlocal now
        pauses.append(seconds)
        now += seconds

    host = Host(2, clock=lambda: now, sleep=sleep)
    with host.slot():
        host.pause(asked_s)
    with host.slot():
        assert 100 + paused_s <= now <= 100 + 1.1 * paused_s
    assert len(pauses) == 1


@pytest.mark.parametrize(
    ("address", "requested"),
    [
        ("https://CDN.Example/a b.jpg", "https://cdn.example/a%20b.jpg"),
        ("https://cdn.example/größe.jpg?v=ä#x", "https://cdn.example/gr%C3%B6%C3%9Fe.jpg?v=%C3%A4"),
        ("https://cdn.example/100%.jpg", "https://cdn.example/100%25.jpg"),
        ("https://cdn.example/a%20b.jpg", "https://cdn.example/a%20b.jpg"),
        ("https://bücher.example/1.jpg", "https://xn--bcher-kva.example/1.jpg"),
        ("https://cdn.example/w_300,h_200/x.jpg?a=1&b=[2]", "https://cdn.example/w_300,h_200/x.jpg?a=1&b=%5B2%5D"),
        ("https://cdn.example", "https://cdn.example"),
    ],
)
def test_addresses_are_requested_percent_encoded(address: str, requested: str) -> None:
    assert request_url(address).url == requested


def test_a_redirect_is_read_relative_to_where_it_came_from_and_carries_no_password() -> None:
    url = request_url("https://me:secret@cdn.example/a/b.jpg?x=1")
    assert next_url(url, "../c d.jpg").url == "https://cdn.example/c%20d.jpg"
    assert next_url(url, "//other.example/x").url == "https://other.example/x"
    with pytest.raises(ValueError, match="not an http address"):
        next_url(url, "file:///etc/passwd")


def test_values_are_quoted_once() -> None:
    assert percent_encoded("a b/ü#?&%41%") == "a%20b/%C3%BC%23%3F%26%41%25"


def test_what_is_shown_has_no_password_and_an_end() -> None:
    assert redacted("https://me:p@ss@cdn.example/1.jpg") == "https://cdn.example/1.jpg"
    assert redacted("http://me:p@[bad/1.jpg") == "http://[bad/1.jpg"
    assert redacted("img/me@2x.jpg") == "img/me@2x.jpg"
    assert len(redacted("https://cdn.example/" + "x" * 5000)) < 400


@pytest.mark.parametrize(
    ("uri", "scheme"),
    [
        ("HTTPS://x/1", "https"), ("s3a://b/k", "s3a"), ("C:\\img\\1.jpg", None), ("a:b.jpg", None),
        ("img/1.jpg", None),
        ("data:image/png;base64,xyz", "data"), ("file:/a/1.jpg", "file"), ("ab:c.jpg", None), ("//cdn.x/1.jpg", None),
    ],
)  # fmt: skip
def test_schemes_are_told_from_drives_and_colons_in_names(uri: str, scheme: str | None) -> None:
    assert scheme_of(uri) == scheme
