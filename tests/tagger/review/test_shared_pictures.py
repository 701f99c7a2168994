"""Which items of a queue show one picture."""

import pyarrow as pa

from tagger.review.store.queue import _shared_pictures


def test_items_with_one_damaged_file_share_no_picture() -> None:
    damaged = "not_an_image"
    predictions = pa.table(
        {"imageDigest": ["a", "a", "b", "b", None], "errorCode": [damaged, damaged, None, None, None]}
    )
    assert _shared_pictures(predictions, None) == [None, None, "b", "b", None]
