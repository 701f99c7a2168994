"""Addresses of images: their scheme, their form for a request, and their form for messages."""

import re
from typing import TYPE_CHECKING
from urllib.parse import quote, urljoin, urlsplit, urlunsplit

if TYPE_CHECKING:
    from urllib3.util import Url  # its import changes the warnings of the process, so it waits for an http image

_SHOWN = 300
_SHORT = {"data", "file"}  # no slashes needed; after other words, a colon may be part of a file name


def scheme_of(uri: str) -> str | None:
    """The scheme of an address in lower case, such as `s3`; None for a path, including Windows paths (`C:\\x.jpg`)."""
    match = re.match(r"([A-Za-z][A-Za-z0-9+.-]+):", uri)
    return match[1].lower() if match and (uri[match.end() :].startswith("//") or match[1].lower() in _SHORT) else None


def is_http(uri: str) -> bool:
    """Whether an address is fetched over http."""
    return uri.startswith(("http://", "https://"))


def request_url(address: str) -> "Url":
    """Parse an address for a request: percent-encoded where needed, without fragment, the host in ASCII.

    Raises ValueError when it is not an http address.
    """
    from urllib3.exceptions import LocationParseError
    from urllib3.util import parse_url

    try:
        url = parse_url(address.strip())
    except (LocationParseError, UnicodeError) as error:
        raise ValueError(f"is not an address: {error}") from error
    if url.scheme not in ("http", "https") or not url.host or re.search(r"\s|%20", url.host):
        raise ValueError("is not an http address with a host")
    return url._replace(fragment=None)


def next_url(url: "Url", location: str) -> "Url":
    """The target of a redirect. Raises ValueError when it is not an http address."""
    return request_url(urljoin(url._replace(auth=None).url, location.strip()))


def percent_encoded(value: str) -> str:
    """Percent-encode a value for a path; parts that are encoded already stay."""
    return "".join(part if i % 2 else quote(part) for i, part in enumerate(re.split(r"(%[0-9A-Fa-f]{2})", value)))


def redacted(address: str) -> str:
    """An address for messages: without user and password, and truncated."""
    if "@" in address and "://" in address:
        try:
            parts = urlsplit(address)
            address = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
        except ValueError:
            address = re.sub(r"//[^/]*@", "//", address)
    return address if len(address) <= _SHOWN else f"{address[:_SHOWN]}…"
