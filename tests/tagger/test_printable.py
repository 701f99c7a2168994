import pytest

from tagger.printable import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Größe 服装 \u200d👩\u200d🦰 a\tb\nc", "Größe 服装 \u200d👩\u200d🦰 a\tb\nc"),
        ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        ("a\rb\x00\x9b", "a\\x0db\\x00\\x9b"),
        (b"caf\xe9".decode("utf-8", "surrogateescape"), "caf\\xe9"),
        ("\u202egpj.exe\u2028", "\\u202egpj.exe\\u2028"),
        ("\ud83d", "\\ud83d"),
    ],
)
def test_what_a_terminal_would_obey_is_escaped_and_letters_stay(text: str, shown: str) -> None:
    assert printable(text) == shown
    shown.encode()
