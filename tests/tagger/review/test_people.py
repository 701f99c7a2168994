"""Who may use a review: people, roles, invitations and sessions in the store, on both of its databases."""

import sqlite3
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import func, select, text, update

from tagger.errors import UsageError
from tagger.review.store.database import open_database
from tagger.review.store.people import PeopleError
from tagger.review.store.records import Filter
from tagger.review.store.review import ReviewStore
from tagger.review.store.sessions import SESSION_S, Role
from tagger.review.store.tables import queue, sessions
from tests.tagger.review.queue_rows import accepted

HOUR_S = 3600.0


@pytest.fixture
def team(store: ReviewStore) -> ReviewStore:
    """A review with two leads, a reviewer and a reader; each has one session, with the name in lower case as key."""
    roles: dict[str, Role] = {"Ann": "lead", "Bob": "lead", "Cleo": "reviewer", "Dan": "reader"}
    for name, role in roles.items():
        store.people.invite(None, name, role, f"key of {name}", HOUR_S)
        store.people.join(name, f"key of {name}", name.lower(), "Firefox")
    return store


def why(call: object, *given: object) -> str:
    with pytest.raises(PeopleError) as refused:
        call(*given)  # type: ignore[operator]
    return refused.value.why


def role_of(store: ReviewStore, name: str) -> str:
    return next(person.role for person in store.people.everyone() if person.name == name)


def test_an_invitation_opens_one_session_and_no_second_one(store: ReviewStore) -> None:
    assert why(store.people.join, "Berta", "digest", "k", "") == "invitation", "nobody invited her"
    store.people.invite(None, "Berta", "reviewer", "digest", HOUR_S)
    assert not store.people.is_invited("Berta", "another") and store.people.is_invited("Berta", "digest")
    assert why(store.people.join, "Berta", "another", "k", "") == "invitation"
    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(lambda n: _joined(store, f"k{n}"), range(4)))
    assert sorted(outcomes) == [False, False, False, True], "four browsers at once"
    (session,) = store.sessions.open()
    assert (session.person, session.role, session.browser) == ("Berta", "reviewer", "Firefox")
    berta = next(person for person in store.people.everyone() if person.name == "Berta")
    assert berta.invited_until is None and berta.joined_at is not None


def _joined(store: ReviewStore, key: str) -> bool:
    try:
        store.people.join("Berta", "digest", key, "Firefox")
    except PeopleError:
        return False
    return True


def test_a_withdrawn_invitation_and_one_before_a_newer_one_are_over(team: ReviewStore) -> None:
    team.people.invite("Ann", "Eve", "reader", "first", HOUR_S)
    team.people.invite("Ann", "Eve", "reader", "second", HOUR_S)
    assert why(team.people.join, "Eve", "first", "e", "") == "invitation"
    team.people.withdraw("Bob", "Eve")
    assert why(team.people.join, "Eve", "second", "e", "") == "invitation"


def test_only_a_lead_changes_anything_about_people(team: ReviewStore) -> None:
    people = team.people
    for nobody in ("Cleo", "Dan", "Mallory"):
        assert why(people.invite, nobody, "Eve", "lead", "d", HOUR_S) == "not_lead"
        assert why(people.change_role, nobody, nobody, "lead", "reviewer") == "not_lead"
        assert why(people.withdraw, nobody, "Ann") == "not_lead"
        assert why(people.remove, nobody, "Ann") == "not_lead"
    people.change_role("Ann", "Bob", "reviewer", "lead")
    assert why(people.change_role, "Bob", "Ann", "reader", "lead") == "not_lead", "from one moment to the next"
    assert [p.name for p in people.everyone()] == ["Ann", "Bob", "Cleo", "Dan"]


def test_a_role_that_changed_since_the_page_was_shown_is_no_basis(team: ReviewStore) -> None:
    team.people.change_role("Ann", "Cleo", "reader", "reviewer")
    assert why(team.people.change_role, "Bob", "Cleo", "lead", "reviewer") == "changed"
    assert role_of(team, "Cleo") == "reader"
    assert why(team.people.change_role, "Bob", "Nobody", "lead", "reviewer") == "unknown"


def test_of_two_leads_who_take_the_role_from_each_other_at_once_one_remains(team: ReviewStore) -> None:
    for _ in range(5):
        start = threading.Barrier(2)

        def demote(pair: tuple[str, str], start: threading.Barrier = start) -> str:
            start.wait()
            try:
                team.people.change_role(*pair, "reviewer", "lead")
            except PeopleError as error:
                return error.why
            return "done"

        with ThreadPoolExecutor(2) as pool:
            outcomes = sorted(pool.map(demote, [("Ann", "Bob"), ("Bob", "Ann")]))
        assert outcomes == ["done", "not_lead"]
        assert sorted((role_of(team, "Ann"), role_of(team, "Bob"))) == ["lead", "reviewer"]
        for name in ("Ann", "Bob"):
            team.people.invite(None, name, "lead", "again", HOUR_S)


def test_the_last_lead_stays_one(team: ReviewStore) -> None:
    team.people.remove("Ann", "Bob")
    team.people.invite("Ann", "Eve", "lead", "d", HOUR_S)
    assert why(team.people.change_role, "Ann", "Ann", "reader", "lead") == "last_lead", "Eve has not come yet"
    assert why(team.people.remove, "Ann", "Ann") == "last_lead"
    assert why(team.people.invite, "Ann", "Ann", "reader", "d2", HOUR_S) == "last_lead"
    team.people.join("Eve", "d", "eve", "")
    team.people.change_role("Ann", "Ann", "reader", "lead")
    assert (role_of(team, "Ann"), role_of(team, "Eve")) == ("reader", "lead")


def test_a_name_that_differs_only_by_capitals_is_taken(team: ReviewStore) -> None:
    assert why(team.people.invite, "Ann", "BOB", "reader", "d", HOUR_S) == "taken"


def test_who_is_taken_out_has_no_session_and_no_claim_and_keeps_the_decisions(team: ReviewStore) -> None:
    team.decide("cleo", "Cleo", [accepted(7)])
    assert team.claims.next("cleo", Filter(), who="Cleo")[0].position == 1
    assert [(o.position, o.who, o.session) for o in team.claims.opened()] == [(1, "Cleo", "cleo")]
    team.people.invite("Ann", "Cleo", "reviewer", "new", HOUR_S)
    team.people.remove("Ann", "Cleo")
    assert team.sessions.find("cleo") is None
    assert why(team.people.join, "Cleo", "new", "c2", "") == "invitation"
    assert team.claims.opened() == []
    assert team.claims.next("bob", Filter())[0].position == 1
    assert [entry.decided_by for entry in team.history(7)] == ["Cleo"]
    assert why(team.people.change_role, "Ann", "Cleo", "lead", "reviewer") == "unknown"


def test_who_becomes_a_reader_holds_nothing_any_more(team: ReviewStore) -> None:
    team.claims.next("cleo", Filter(), 3)
    team.claims.next("bob", Filter())
    team.people.change_role("Ann", "Cleo", "reader", "reviewer")
    assert [opened.session for opened in team.claims.opened()] == ["bob"]


def test_a_session_that_was_ended_is_not_found_and_its_claims_are_free(team: ReviewStore) -> None:
    team.claims.next("cleo", Filter())
    team.sessions.end("cleo")
    team.sessions.end("cleo")
    assert team.sessions.find("cleo") is None and team.sessions.find("never") is None
    assert team.claims.next("bob", Filter())[0].position == 1
    assert {s.person for s in team.sessions.open()} == {"Ann", "Bob", "Dan"}


def test_a_session_is_seen_to_the_minute_and_ends_when_nobody_uses_it(team: ReviewStore) -> None:
    def move(seconds: float) -> None:
        with team._engine.begin() as connection:
            connection.execute(update(sessions).values(seen=sessions.c.seen - seconds))

    first = team.sessions.find("cleo")
    assert first and team.sessions.find("cleo") == first, "the same minute"
    move(61)
    team.sessions.find("cleo")
    again = team.sessions.find("cleo")
    assert again and abs(again.seen - first.seen) < 30
    move(SESSION_S)
    assert team.sessions.find("cleo") is None and team.sessions.open() == []


def test_an_item_is_open_since_its_page_has_it_and_what_is_only_fetched_is_not(team: ReviewStore) -> None:
    team.claims.next("cleo", Filter(), who="Cleo")
    with team._engine.begin() as connection:
        connection.execute(update(queue).where(queue.c.position == 1).values(claimed_since=5.0))
    team.claims.ahead("cleo", "Cleo", Filter(), [1], [], 3)
    assert [(o.position, o.since) for o in team.claims.opened()] == [(1, 5.0)], "it is still the same page"
    team.claims.next("cleo", Filter(), who="Cleo")
    (opened,) = team.claims.opened()
    assert opened.since is not None and opened.since > 5
    with team._engine.begin() as connection:
        connection.execute(update(queue).values(claimed_until=1.0))
    assert team.claims.opened() == []


def test_who_only_looks_claims_nothing(team: ReviewStore) -> None:
    assert [i.position for i in team.claims.look("dan", Filter(), 3)] == [1, 2, 3]
    assert team.claims.opened() == []
    team.claims.next("cleo", Filter())
    assert [i.position for i in team.claims.look("dan", Filter())] == [2]


def test_the_log_says_which_answers_stand(team: ReviewStore) -> None:
    team.decide("cleo", "Cleo", [accepted(7)])
    team.decide("bob", "Bob", [accepted(7, team.items([7])[0].current)])
    team.decide("cleo", "Cleo", [accepted(8)])
    team.undo("cleo", "Cleo")
    team.skip("bob", "Bob", [9])
    said = [(row.person, row.verdict, row.undone) for row in team.summary.log()]
    assert sorted(said) == [
        ("Bob", "accepted", False), ("Bob", "skipped", False), ("Cleo", "accepted", True),
        ("Cleo", "accepted", True), ("Cleo", "undone", False),
    ]  # fmt: skip


def test_a_database_that_others_can_read_becomes_its_owners_alone(tmp_path: Path) -> None:
    file = tmp_path / "r.sqlite"
    plain = sqlite3.connect(file)
    plain.execute("PRAGMA journal_mode=WAL")
    plain.execute("CREATE TABLE t (a)")
    for one in tmp_path.iterdir():
        one.chmod(0o664)
    assert len(list(tmp_path.iterdir())) == 3
    engine = open_database(str(file), "--database")
    assert {stat.S_IMODE(one.stat().st_mode) for one in tmp_path.iterdir()} == {0o600}
    engine.dispose()
    plain.close()


def test_a_database_of_another_account_that_others_can_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "r.sqlite"
    file.touch(0o644)
    file.chmod(0o644)

    def not_ours(path: Path, mode: int) -> None:
        raise PermissionError(path)

    monkeypatch.setattr(Path, "chmod", not_ours)
    with pytest.raises(UsageError, match=r"others can read it.*chmod 600"):
        open_database(str(file), "--database")


def test_times_of_people_and_claims_are_the_databases(team: ReviewStore, monkeypatch: pytest.MonkeyPatch) -> None:
    if team._engine.dialect.name == "sqlite":
        pytest.skip("SQLite has this machine's clock")
    monkeypatch.setattr("time.time", lambda: 1.0)
    team.claims.next("cleo", Filter(), who="Cleo")
    with team._engine.begin() as connection:
        clock = float(connection.scalar(select(func.extract("epoch", func.clock_timestamp()))) or 0)
        stored = connection.scalar(text("SELECT claimed_since FROM review_queue WHERE claimed_by = 'cleo'"))
    assert stored is not None and abs(clock - stored) < 60
    assert abs((team.people.everyone()[0].joined_at or 0) - clock) < 60
