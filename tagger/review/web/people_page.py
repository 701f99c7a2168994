"""What the page of people shows: of each person the role, the invitation, what they decided, and their browsers."""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tagger.review.store.people import Person
from tagger.review.store.records import OpenItem
from tagger.review.store.review import ReviewStore
from tagger.review.store.sessions import BrowserSession, Role
from tagger.review.team.agreement import Agreement, agreement
from tagger.review.team.pace import Pace, paces
from tagger.review.web.sessions import Session

_BROWSERS = (("Edge", "Edg"), ("Opera", "OPR/"), ("Firefox", "Firefox"), ("Chrome", "Chrome"), ("Safari", "Safari"))
"""A browser's name, and what is in its User-Agent; each also claims to be those behind it."""
_SHORTEST = timedelta(minutes=1)
_SYSTEMS = (
    ("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Windows", "Windows"), ("Mac", "Mac OS X"),
    ("Linux", "Linux"),
)  # fmt: skip


@dataclass(frozen=True)
class Browser:
    """One session of a person; times are UTC, without a time zone, as in the log."""

    handle: str
    person: str
    label: str
    """Such as `Firefox, Linux`; empty where the browser gave no name."""
    seen: datetime
    is_own: bool
    """Whether it is the one that shows the page."""
    opened: Sequence[OpenItem]
    since: datetime | None


@dataclass(frozen=True)
class Member:
    """A person of the review, or somebody who decided in it and does not belong to it any more."""

    name: str
    role: Role | None
    """None for who does not belong to it."""
    joined: bool
    invited_until: datetime | None
    """None where no invitation was left unused."""
    is_invited: bool
    """Whether the invitation can still be used."""
    pace: Pace | None
    browsers: Sequence[Browser]

    @property
    def has_pace(self) -> bool:
        """Whether the person has worked for long enough that a pace says something."""
        return self.pace is not None and self.pace.active >= _SHORTEST and self.pace.timed > 0


def members_of(store: ReviewStore, session: Session, now: datetime) -> list[Member]:
    """All people of a review by name, then those who decided in it and do not belong to it.

    Args:
        store: The review.
        session: Who looks.
        now: The time, UTC without a time zone.
    """
    by_person: dict[str, list[Browser]] = defaultdict(list)
    for browser in browsers_of(store, session):
        by_person[browser.person].append(browser)
    pace = paces_of(store)
    people = store.people.everyone()
    here = [_member(person, now, pace.get(person.name), by_person[person.name]) for person in people]
    gone = sorted(set(pace) - {person.name for person in people})
    return here + [Member(name, None, True, None, False, pace[name], ()) for name in gone]


def _member(person: Person, now: datetime, pace: Pace | None, browsers: Sequence[Browser]) -> Member:
    until = utc(person.invited_until)
    return Member(
        person.name,
        person.role,
        person.joined_at is not None,
        until,
        until is not None and until > now,
        pace,
        browsers,
    )


def browsers_of(store: ReviewStore, session: Session) -> list[Browser]:
    """The open sessions of all people, each with the items that it has open."""
    opened: dict[str, list[OpenItem]] = defaultdict(list)
    for item in store.claims.opened():
        opened[item.session].append(item)
    return [_browser(stored, session, opened[stored.key]) for stored in store.sessions.open()]


def _browser(stored: BrowserSession, session: Session, opened: Sequence[OpenItem]) -> Browser:
    seen = datetime.fromtimestamp(stored.seen, UTC).replace(tzinfo=None)
    since = min((item.since for item in opened if item.since is not None), default=None)
    is_own = stored.key == session.key
    return Browser(stored.handle, stored.person, browser_label(stored.browser), seen, is_own, opened, utc(since))


def paces_of(store: ReviewStore) -> dict[str, Pace]:
    """What each person has decided and how fast, by name; people without a decision are left out."""
    return {pace.person: pace for pace in paces(store.summary.log()) if pace.decisions}


def team_agreement(store: ReviewStore) -> Agreement | None:
    """How well people agree about the items that were answered twice; None without any."""
    pairs = store.second_answers.pairs()
    return agreement([first for first, _ in pairs], [second for _, second in pairs]) if pairs else None


def browser_label(user_agent: str) -> str:
    """The name and the system of a browser, by its User-Agent; otherwise the beginning of that."""
    name = next((name for name, mark in _BROWSERS if mark in user_agent), None)
    system = next((name for name, mark in _SYSTEMS if mark in user_agent), None)
    if name is None:
        return re.split(r"[ ;(]", user_agent, maxsplit=1)[0][:40]
    return f"{name}, {system}" if system else name


def utc(seconds: float | None) -> datetime | None:
    """A time, UTC without a time zone, from seconds since 1970."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)
