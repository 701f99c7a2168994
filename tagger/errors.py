"""The project's own exceptions: what a user sees names the file, the row or the flag, and the way out."""

from tagger.schemas.tables.prediction import ErrorCode


class TaggerError(Exception):
    """What ends a job, in one or two lines; `exit_code` is the command's."""

    exit_code = 1


class UsageError(TaggerError):
    """A wrong flag, config or path."""

    exit_code = 2


class InputError(TaggerError):
    """An input that breaks its contract; nothing was processed."""

    exit_code = 3


class HoldError(TaggerError):
    """A run is held, as its tags may be wrong; nothing was written."""

    exit_code = 5


class WriteError(TaggerError):
    """An output that cannot be written, such as on a full disk; what was written before stays."""


class ImageError(Exception):
    """Why one item's image cannot be tagged; it stays with its row."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    def __reduce__(self) -> tuple[type["ImageError"], tuple[ErrorCode, str]]:
        return ImageError, (self.code, self.message)
