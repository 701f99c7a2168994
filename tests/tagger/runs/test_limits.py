"""What a finished run has too much of, or why it has nothing."""

import pytest

from tagger.runs.limits import nothing_to_tag
from tagger.schemas.documents.run import Counts


def counts(rows: int, predictions: int, rejects: int = 0, **skipped: int) -> Counts:
    return Counts(
        rows=rows, predictions=predictions, rejects=rejects, skipped=sum(skipped.values()), skip_reasons=skipped
    )


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        (
            counts(2001, 0, rejects=1, labelled=2000),
            "Nothing to tag: all 2,000 items have both labels already; leave out --untagged-only to tag them",
        ),
        (counts(10, 0, labelled=7, known=3), "Nothing to tag: 7 of 10 items have both labels already; the others"),
        (counts(0, 0), "The manifest has no rows: nothing was tagged"),
        (counts(10, 3, labelled=7), None),
        (counts(10, 0, known=10), None),
    ],
)
def test_a_run_that_has_nothing_to_tag_says_why(of: Counts, expected: str | None) -> None:
    reason = nothing_to_tag(of)
    assert reason == expected if expected is None else str(reason).startswith(expected)
