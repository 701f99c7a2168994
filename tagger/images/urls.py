"""Addresses of images: which kind they are, how they are written in a request, and how they are shown."""

import re
from typing import TYPE_CHECKING
from urllib.parse import quote, urljoin, urlsplit, urlunsplit

if TYPE_CHECKING:
    from urllib3.util import Url  # its import changes the warnings of the process, so it waits for an http image

_SHOWN = 300
_SHORT = {"data", "file"}  # these go without slashes, too; elsewhere a colon may be part of a file's name


def scheme_of(uri: str) -> str | None:
    """The scheme of an address in lower case, such as `s3`; None for a path, also for one of Windows (`C:\\x.jpg`)."""
    match = re.match(r"([A-Za-z][A-Za-z0-9+.-]+):", uri)
    return match[1].lower() if match and (uri[match.end() :].startswith("//") or match[1].lower() in _SHORT) else None


def is_http(uri: str) -> bool:
    """Whether an address is fetched over http."""
    return uri.startswith(("http://", "https://"))


def request_url(address: str) -> "Url":
    """An address as it is requested: percent-encoded where it must be, without fragment, the host in ASCII.

    Raises ValueError when it is no http address.
    """
    from urllib3.exceptions import LocationParseError
    from urllib3.util import parse_url

    try:
        url = parse_url(address.strip())
    except (LocationParseError, UnicodeError) as error:
        raise ValueError(f"is no address: {error}") from error
    if url.scheme not in ("http", "https") or not url.host or re.search(r"\s|%20", url.host):
        raise ValueError("is no http address with a host")
    return url._replace(fragment=None)


def next_url(url: "Url", location: str) -> "Url":
    """Where a redirect leads. Raises ValueError when that is no http address."""
    return request_url(urljoin(url._replace(auth=None).url, location.strip()))


def quoted(value: str) -> str:
    """A value as part of an address's path; what is percent-encoded already stays."""
    return "".join(part if i % 2 else quote(part) for i, part in enumerate(re.split(r"(%[0-9A-Fa-f]{2})", value)))


def shown(address: str) -> str:
    """An address for messages: without user and password, and not too long."""
    if "@" in address and "://" in address:
        try:
            parts = urlsplit(address)
            address = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
        except ValueError:
            address = re.sub(r"//[^/]*@", "//", address)
    return address if len(address) <= _SHOWN else f"{address[:_SHOWN]}…"
