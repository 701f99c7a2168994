"""Messages for unusable images: for each code some items, the path tried, and the reason."""

from collections.abc import Sequence

from tagger.images.failed import FailedImage, FailedImages
from tagger.printable import printable

_SHOWN = 3
_LIMIT = 200


def lines(failed: FailedImages, near_misses: Sequence[str] = ()) -> list[str]:
    """Lines to display: each code with its count, then some examples, `id: path tried: message`.

    Args:
        failed: What failed.
        near_misses: Similar names in the store, in words, if there are any.
    """
    shown: list[str] = []
    for code, count in sorted(failed.counts.items(), key=lambda entry: (-entry[1], entry[0])):
        shown.append(f"  {code} {count:,}:")
        shown += [f"    {line_of(example)}" for example in failed.examples[code][:_SHOWN]]
        if count > _SHOWN:
            shown.append(f"    … and {count - _SHOWN:,} more")
    return shown + [f"  {_in_one_line(text)}" for text in near_misses]


def line_of(example: FailedImage) -> str:
    """One image: `id: path tried: message`; the path is not repeated if the message names it."""
    image = None if example.image and example.image in example.message else example.image
    return ": ".join(_in_one_line(part) for part in (example.id, image, example.message) if part)


def document(failed: FailedImages) -> dict[str, list[dict[str, str | None]]]:
    """The examples of each code for `--json`: id, image (the path that was tried) and message."""
    return {code: [example._asdict() for example in examples] for code, examples in sorted(failed.examples.items())}


def _in_one_line(text: str) -> str:
    """A text made safe for one line of a terminal."""
    short = text if len(text) <= _LIMIT else f"{text[:_LIMIT]}…"
    return printable(short).replace("\n", "\\n").replace("\t", "\\t")
