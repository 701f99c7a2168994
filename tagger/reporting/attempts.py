"""Tells several others at once, without waiting long for any."""

import threading
import time
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

LIMIT_S = 10.0


def problems_of(attempts: Sequence[Callable[[], str]]) -> list[str]:
    """Make all attempts at once, in LIMIT_S at most.

    Args:
        attempts: Each returns what went wrong, or an empty text.

    Returns:
        What went wrong with each, in their order; an empty text for nothing. An error is one, too.
    """
    problems = [f"no answer in {LIMIT_S:.0f} s"] * len(attempts)

    def attempt(number: int) -> None:
        try:
            problems[number] = attempts[number]()
        except Exception as error:  # noqa: BLE001 - whatever it is, the command has ended as it has
            problems[number] = f"{type(error).__name__}: {error}"

    threads = [threading.Thread(target=attempt, args=(number,), daemon=True) for number in range(len(attempts))]
    for thread in threads:
        thread.start()
    ends = time.monotonic() + LIMIT_S
    for thread in threads:
        thread.join(max(ends - time.monotonic(), 0))
    return list(problems)


def host_of(address: str) -> str:
    """What of an address is no secret."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.hostname or '…'}/…"


def without_secrets(address: str, text: str) -> str:
    """A text without the secret parts of an address."""
    parts = urlsplit(address)
    for secret in filter(None, (address, parts.path.strip("/"), parts.query, parts.password, parts.username)):
        text = text.replace(secret, "…")
    return (text.splitlines() or [""])[0]
