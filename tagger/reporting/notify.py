"""Sends a message to addresses; nothing that goes wrong there is more than a warning."""

from collections.abc import Sequence
from functools import partial
from urllib.parse import urlsplit

import urllib3

from tagger.reporting.attempts import LIMIT_S, host_of, problems_of, without_secrets
from tagger.schemas.documents.ending import Ending

_SLACK = "hooks.slack.com"
_WEB = ("http", "https")
_EMOJI = {"done": "✅", "held": "⚠️", "failed": "❌"}


def notify(addresses: Sequence[str], ending: Ending) -> list[str]:
    """Send a message to all addresses at once, in LIMIT_S at most.

    Returns:
        Why one did not get it, in words that do not have the address, which may be a secret.
    """
    problems = problems_of([partial(_send, address, ending) for address in addresses])
    return [
        f"--notify {host_of(address)}: {without_secrets(address, problem)}"
        for address, problem in zip(addresses, problems, strict=True)
        if problem
    ]


def _send(address: str, ending: Ending) -> str:
    """Send one; return what went wrong."""
    parts = urlsplit(address)
    if parts.scheme not in _WEB:
        return _send_by_apprise(address, ending)
    title = f"{_EMOJI[ending.outcome]} {ending.job}: {ending.text}"
    body = {"text": title} if parts.hostname == _SLACK else ending.model_dump(mode="json", by_alias=True)
    timeout = urllib3.Timeout(total=LIMIT_S)
    response = urllib3.request("POST", address, json=body, timeout=timeout, retries=False, redirect=False)
    return "" if 200 <= response.status < 300 else f"it answered {response.status}"


def _send_by_apprise(address: str, ending: Ending) -> str:
    try:
        import apprise
    except ModuleNotFoundError:
        return "only http:// and https:// work without apprise: pip install apprise"
    sender = apprise.Apprise()
    if not sender.add(address):
        return "apprise does not know this address"
    kind = {"done": apprise.NotifyType.SUCCESS, "held": apprise.NotifyType.WARNING}
    sent = sender.notify(
        title=f"{ending.job}: {ending.outcome}", body=ending.text,
        notify_type=kind.get(ending.outcome, apprise.NotifyType.FAILURE),
    )  # fmt: skip
    return "" if sent else "apprise could not send it"
