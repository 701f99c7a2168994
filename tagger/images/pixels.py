"""Images of catalogues of raw pixels, such as Fashion-MNIST."""

from collections.abc import Iterator, Sequence

import cv2

from tagger.errors import ImageError, InputError
from tagger.io.location import Location, first_line
from tagger.manifest.batch import Batch
from tagger.manifest.tables.pixels import PixelTable
from tagger.schemas.tables.prediction import ErrorCode


class PixelImages:
    """The images of a manifest of raw pixels, encoded as PNG.

    References are `FILE#ROW`. A whole file is read with its first image.
    """

    ordered_by_store = False
    locates_in_copies = True

    def __init__(self, files: Sequence[Location]) -> None:
        self._files = {str(file): file for file in files}
        self._tables: dict[str, PixelTable] = {}

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_tables": {}}

    def locate(self, batch: Batch) -> list[str | None]:
        """References are the rows of the manifest's files."""
        return [f"{batch.file}#{row}" for row in batch.positions.tolist()]

    def fetch(self, refs: Sequence[str]) -> Iterator[bytes | ImageError]:
        """Yield each image as the bytes of a PNG file."""
        return map(self._read, refs)

    def _read(self, ref: str) -> bytes | ImageError:
        file, _, row = ref.rpartition("#")
        location = self._files.get(file)
        if location is None or not row.isdecimal():
            return ImageError(ErrorCode.NOT_FOUND, f"{ref!r} is not an image of this catalogue")
        try:
            if file not in self._tables:
                self._tables[file] = PixelTable.read(location)
            images = self._tables[file].images
        except (InputError, OSError) as error:
            return ImageError(ErrorCode.STORE_ERROR, f"{file}: {first_line(error)}")
        if int(row) >= len(images):
            return ImageError(ErrorCode.NOT_FOUND, f"the file has no image {row}")
        return bytes(cv2.imencode(".png", images[int(row)])[1])
