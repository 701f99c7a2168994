"""A host that is dead costs each image nothing; one that answers again is found by a probe."""

import pytest

from tagger.images.http.circuit_breaker import BreakerLimits, CircuitBreaker


class Clock:
    """Seconds that a test lets pass."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> CircuitBreaker:
    return CircuitBreaker(BreakerLimits(images=3, silent_s=30, probe_every_s=10), clock)


def give_up(breaker: CircuitBreaker, images: int) -> None:
    for _ in range(images):
        breaker.unanswered()
        breaker.given_up()


@pytest.fixture
def opened(breaker: CircuitBreaker, clock: Clock) -> CircuitBreaker:
    give_up(breaker, 2)
    clock.now = 30
    give_up(breaker, 1)
    assert not breaker.allows()
    return breaker


def test_a_few_images_or_a_short_while_without_an_answer_are_tried_on(breaker: CircuitBreaker, clock: Clock) -> None:
    give_up(breaker, 100)
    assert breaker.allows(), "it may be restarting"
    breaker.answered()
    give_up(breaker, 1)
    clock.now = 1000
    give_up(breaker, 1)
    assert breaker.allows(), "two images may be to blame"


def test_one_answer_between_shows_that_the_host_lives(breaker: CircuitBreaker, clock: Clock) -> None:
    for clock.now in range(0, 300, 10):
        give_up(breaker, 2)
        assert breaker.allows()
        breaker.answered()


def test_of_an_open_breaker_one_request_in_a_while_is_a_probe(opened: CircuitBreaker, clock: Clock) -> None:
    clock.now += 9
    assert not opened.allows()
    clock.now += 1
    assert [opened.allows() for _ in range(3)] == [True, False, False]
    opened.unanswered()
    assert not opened.allows()
    clock.now += 10
    assert opened.allows()


def test_a_probe_that_is_answered_closes_it(opened: CircuitBreaker, clock: Clock) -> None:
    clock.now += 10
    assert opened.allows()
    opened.answered()
    assert [opened.allows() for _ in range(3)] == [True] * 3
    give_up(opened, 2)
    assert opened.allows(), "it counts from the beginning"
