"""Images that cannot be used are shown by code, with the path that was tried and the reason."""

from tagger.errors import ImageError
from tagger.images.failed import EXAMPLES, FailedImages
from tagger.schemas.tables.prediction import ErrorCode
from tagger.workflows.image_errors import document, lines


def test_every_code_has_its_count_and_a_few_examples_with_path_and_message() -> None:
    failed = FailedImages()
    for number in range(25):
        failed.add(f"{number}", f"images/{number}.jpg", ImageError(ErrorCode.NOT_FOUND, "there is no such file"))
    failed.add("a", None, ImageError(ErrorCode.NO_IMAGE, "the row names no image"))
    assert lines(failed, ["25 of them are there as .jpeg"]) == [
        "  not_found 25:",
        "    0: images/0.jpg: there is no such file",
        "    1: images/1.jpg: there is no such file",
        "    2: images/2.jpg: there is no such file",
        "    … and 22 more",
        "  no_image 1:",
        "    a: the row names no image",
        "  25 of them are there as .jpeg",
    ]
    assert len(failed.examples["not_found"]) == EXAMPLES
    assert document(failed)["no_image"] == [{"id": "a", "image": None, "message": "the row names no image"}]


def test_a_path_that_the_message_names_is_shown_once() -> None:
    failed = FailedImages()
    failed.add("7", "/a/7.jpg", ImageError(ErrorCode.NOT_FOUND, "there is no file /a/7.jpg"))
    assert lines(failed)[1] == "    7: there is no file /a/7.jpg"


def test_what_a_terminal_cannot_show_is_escaped_and_a_long_address_cut() -> None:
    failed = FailedImages()
    failed.add("x", "a\x1b[31m\n.jpg", ImageError(ErrorCode.NOT_FOUND, "m" * 500))
    assert lines(failed)[1] == f"    x: a\\x1b[31m\\n.jpg: {'m' * 200}…"
