"""Under which addresses browsers reach the page, and where a request comes from."""

from dataclasses import dataclass

from fastapi import Request
from starlette.requests import HTTPConnection

LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class OriginPolicy:
    """The hosts that the page answers to, and the origin that its forms must have."""

    hosts: frozenset[str] | None
    """Allowed host names, so that no other site's name can be pointed here (DNS rebinding); None allows any."""
    public_origin: str | None
    """Scheme, host and port that browsers see behind a proxy; None takes those of the request."""

    @property
    def is_secure(self) -> bool:
        """Whether browsers ask by https, so that cookies must not travel over http."""
        return bool(self.public_origin and self.public_origin.startswith("https"))

    def is_cross_origin(self, request: Request) -> bool:
        """Whether another site's page sent a request."""
        origin = request.headers.get("origin")
        allowed = self.public_origin or f"{request.url.scheme}://{request.headers.get('host', '')}"
        return origin is not None and origin != allowed


def client_address(request: HTTPConnection) -> str:
    """The network address of the client; empty where the server does not know it."""
    return request.client.host if request.client else ""
