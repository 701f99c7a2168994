"""What the documentation says to run: the fenced blocks of its pages, and the commands in them."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>[\w+-]*)(?P<info>[^`\n]*)$")
_OPTION = re.compile(r'(?P<key>[a-z_]+)="(?P<value>[^"]*)"')
_STARTS_WITH = re.compile(r"<!-- starts with: (?P<names>[^>]*) -->")
_TODAY = "$(date +%F)"


@dataclass(frozen=True)
class Block:
    """A fenced block. With `not_run="REASON"` in its info string, what it holds is parsed and not run."""

    line: int
    language: str
    options: dict[str, str]
    text: str

    @property
    def is_run(self) -> bool:
        return "not_run" not in self.options


@dataclass(frozen=True)
class Call:
    """A line `tagger …` of a block: its words, and the file that its output goes to."""

    line: int
    words: list[str]
    into: str | None


def pages() -> list[Path]:
    """README.md and all pages of docs/."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    found: list[Block] = []
    lines = iter(enumerate(page.read_text(encoding="utf-8").splitlines(), 1))
    for number, line in lines:
        opening = _FENCE.match(line)
        if opening is None:
            continue
        inner = []
        for _, text in lines:
            if text.strip() == "```":
                break
            inner.append(text.removeprefix(opening["indent"]))
        options = {m["key"]: m["value"] for m in _OPTION.finditer(opening["info"])}
        found.append(Block(number, opening["language"], options, "\n".join(inner)))
    return found


def starts_with(page: Path) -> list[str]:
    """What lies in the folder in which a page's commands are run, by `<!-- starts with: NAMES -->`."""
    named = _STARTS_WITH.search(page.read_text(encoding="utf-8"))
    return named["names"].split() if named else ["styles.csv", "images"]


def calls(block: Block) -> Iterator[Call]:
    """The commands of a block of shell: lines that `\\` continues are one, and so is what stands after `ray job`."""
    if block.language not in ("sh", "bash", "shell", "console", "text", ""):
        return
    number, pending = block.line, ""
    for offset, line in enumerate(block.text.splitlines(), 1):
        number = number if pending else block.line + offset
        pending += line.removesuffix("\\") + " "
        if line.endswith("\\"):
            continue
        text, pending = pending.strip(), ""
        if block.language in ("sh", "bash", "shell") and re.search(r"(^|[\s=-])tagger ", text):
            yield from _call(number, text)


def _call(line: int, text: str) -> Iterator[Call]:
    words = shlex.split(text.replace(_TODAY, "today"), comments=True)
    while words and re.match(r"[A-Z_]+=", words[0]):
        words = words[1:]
    if "--" in words:
        before, after = words[: words.index("--")], words[words.index("--") + 1 :]
        if before[:2] == ["tagger", "submit"]:
            yield Call(line, [*before[1:], "--", *after], None)
            after = ["tagger", *after]
        words = after
    if not words or words[0] != "tagger":
        return
    into = None
    if ">" in words:
        words, into = words[: words.index(">")], words[words.index(">") + 1]
    if "|" in words:
        words = words[: words.index("|")]
    yield Call(line, words[1:], into)
