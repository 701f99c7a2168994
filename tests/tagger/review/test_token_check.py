"""Tokens that are easily guessed are refused, and guessing is slow and seen."""

import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagger.review.web.token_check import TokenCheck, token_weakness

TOKEN = "a-token-of-some-length"


@pytest.mark.parametrize(
    "token",
    ["", "short", "aaaaaaaaaaaa", "abababababab", "abcabcabcabcabc", "passwordpassword", "123456789012", "abcdefghijkl",
     "zyxwvutsrqponm", "aaaaaaaaaaaabcdefg", "000000000001", "            "],
)  # fmt: skip
def test_a_token_that_is_easily_guessed_is_told(token: str) -> None:
    assert token_weakness(token)


def test_a_random_token_is_strong_enough() -> None:
    assert not [t for t in (secrets.token_urlsafe(16) for _ in range(500)) if token_weakness(t)]
    assert token_weakness(TOKEN) is None


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def checked() -> tuple[TokenCheck, Clock, list[str]]:
    clock = Clock()
    lines: list[str] = []
    return TokenCheck(TOKEN, lines.append, clock), clock, lines


def test_guesses_are_looked_at_ever_less_often_and_a_minute_apart_at_most() -> None:
    check, clock, lines = checked()
    looked_at = 0
    for second in range(3600):
        clock.now = float(second)
        for _ in range(50):
            before = len(lines)
            assert not check.is_right("guess", "10.0.0.7")
            looked_at += len(lines) > before
    assert looked_at < 75, "of 180,000 in an hour"
    assert check.wait_s("10.0.0.7") <= 60
    assert all("guess" not in line and TOKEN not in line and "10.0.0.7" in line for line in lines)
    assert "number 3); the next is looked at in 1 s" in lines[2]
    assert "more came too soon" in lines[-1]


def test_while_an_address_waits_even_the_right_token_is_not_looked_at_and_others_are_not_held_up() -> None:
    check, clock, _ = checked()
    for _ in range(3):
        check.is_right("guess", "2001:db8::1")
    assert not check.is_right(TOKEN, "2001:db8::2"), "of the same network"
    assert check.is_right(TOKEN, "10.0.0.8")
    clock.now = check.wait_s("2001:db8::1")
    assert check.is_right(TOKEN, "2001:db8::1")
    assert check.wait_s("2001:db8::1") == 0, "it is forgiven"


def test_a_slip_costs_nothing_and_old_slips_are_forgotten() -> None:
    check, clock, _ = checked()
    for _ in range(2):
        assert not check.is_right("slip", "10.0.0.7")
    assert check.is_right(TOKEN, "10.0.0.7")
    for _ in range(5):
        clock.now += check.wait_s("10.0.0.7")
        check.is_right("slip", "10.0.0.7")
    clock.now += 3600
    check.is_right("slip", "10.0.0.7")
    assert check.wait_s("10.0.0.7") == 0


@given(st.text())
def test_any_text_is_compared(text: str) -> None:
    check, _, _ = checked()
    assert check.is_right(text, "10.0.0.7") is (text == TOKEN)
