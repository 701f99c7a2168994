"""Invitations to a review: signed links that end by themselves, and open one session.

itsdangerous signs them and refuses those that are too old. That a link opens only one session, and that a lead can
withdraw it, stands in the database: a signature alone does not know what has happened since.
"""

import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from itsdangerous import BadData, SignatureExpired, TimestampSigner, URLSafeTimedSerializer

from tagger.review.store.people import People
from tagger.review.store.sessions import Role
from tagger.review.web.refusal import RefusalError

INVITED_S = 3 * 86_400
"""Seconds in which an invitation can be used."""
START_S = 3600
"""The same for the link that the command prints."""
PATH = "/invitation/"


@dataclass(frozen=True)
class Invitation:
    """What a link holds."""

    name: str
    digest: str
    """SHA-256 of its key."""


class Invitations:
    """Makes and reads the links of one run's review.

    Args:
        people: Who is invited.
        secret: Signs them.
        clock: Seconds since 1970.
    """

    def __init__(self, people: People, secret: str, clock: Callable[[], float] = time.time) -> None:
        self._people = people
        self._signed = URLSafeTimedSerializer(
            secret,
            salt=f"invitation to the review of {people.run_id}",
            signer=_ClockedSigner,
            signer_kwargs={"clock": clock, "digest_method": hashlib.sha256},
        )

    def make(self, by: str | None, name: str, role: Role, seconds: int = INVITED_S) -> str:
        """Invite a person, and return the link's path.

        Args:
            by: The lead who invites; None for the command itself.
            name: The person.
            role: As what.
            seconds: How long the link can be used.

        Raises:
            PeopleError: when this is refused.
        """
        key = secrets.token_urlsafe(16)
        self._people.invite(by, name, role, _digest(key), seconds)
        return f"{PATH}{self._signed.dumps([name, key, seconds])}"

    def read(self, signed: str) -> Invitation:
        """The invitation of a link.

        Raises:
            RefusalError: when this page did not make it, or it is too old.
        """
        try:
            name, key, seconds = self._signed.loads(signed)
            self._signed.loads(signed, max_age=seconds)
        except SignatureExpired as error:
            raise RefusalError(410, "invitation-expired") from error
        except BadData as error:
            raise RefusalError(403, "invitation-forged") from error
        return Invitation(name, _digest(key))

    def open(self, signed: str) -> Invitation:
        """The invitation of a link that can still be used. Raises RefusalError when it cannot."""
        invitation = self.read(signed)
        if not self._people.is_invited(invitation.name, invitation.digest):
            raise RefusalError(410, "invitation-over")
        return invitation


class _ClockedSigner(TimestampSigner):
    """A signer with a clock that is given to it."""

    def __init__(self, *args: object, clock: Callable[[], float], **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self._clock = clock

    def get_timestamp(self) -> int:
        """Seconds since 1970."""
        return int(self._clock())


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
