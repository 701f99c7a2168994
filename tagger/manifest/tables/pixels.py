"""Catalogues of raw pixels, such as Fashion-MNIST: labels and grey images in IDX files or in a CSV of 785 columns.

The IDX format is Yann LeCun's (MNIST): a magic number with type and dimensions, sizes big-endian, then the values. Its
labels and images are in two files, `train-labels-idx1-ubyte.gz` and `train-images-idx3-ubyte.gz`; the labels are the
manifest. The CSV has a column `label` and one for each pixel of 28 × 28.
"""

import gzip
import io
import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from tagger.errors import InputError
from tagger.io.location import Location, first_line

IDX_LABELS = ("labels-idx1-ubyte", "labels-idx1-ubyte.gz")
COLUMNS = ("id", "masterCategory", "articleType", "label")
_SIDE = 28
_UBYTE = 8
_GZIP = b"\x1f\x8b"
FASHION = (
    ("Apparel", "T-shirt/top"),
    ("Apparel", "Trouser"),
    ("Apparel", "Pullover"),
    ("Apparel", "Dress"),
    ("Apparel", "Coat"),
    ("Footwear", "Sandal"),
    ("Apparel", "Shirt"),
    ("Footwear", "Sneaker"),
    ("Accessories", "Bag"),
    ("Footwear", "Ankle boot"),
)
"""The master category and article type of Fashion-MNIST's labels 0 to 9 (Xiao et al. 2017, arXiv:1708.07747)."""


@dataclass(frozen=True)
class PixelTable:
    """Labels uint8 [N] and grey images uint8 [N, H, W]."""

    labels: np.ndarray
    images: np.ndarray

    @classmethod
    def read(cls, file: Location) -> "PixelTable":
        """Read a file of IDX labels with its file of images, or a CSV. Raises InputError when it is neither."""
        if not is_idx_labels(file):
            return _read_csv(file)
        images_file = file.parent / file.name.replace("labels-idx1", "images-idx3")
        if not images_file.exists():
            raise InputError(f"{file}: the images are not beside it: there is no {images_file.name}")
        labels, images = _read_idx(file, 1), _read_idx(images_file, 3)
        if len(labels) != len(images):
            raise InputError(f"{file}: {len(labels):,} labels, but {len(images):,} images in {images_file.name}")
        return cls(labels, images)

    def items(self, prefix: str) -> pa.Table:
        """The rows with the columns COLUMNS; ids are the prefix and the row's number."""
        names = [FASHION[label] if label < len(FASHION) else (None, None) for label in self.labels.tolist()]
        return pa.table(
            {
                "id": pa.array([f"{prefix}-{n}" for n in range(len(names))], pa.string()),
                "masterCategory": pa.array([master for master, _ in names], pa.string()),
                "articleType": pa.array([article for _, article in names], pa.string()),
                "label": pa.array(self.labels, pa.uint8()),
            }
        )


def is_idx_labels(file: Location) -> bool:
    """Whether a file has the name of IDX labels."""
    return file.name.lower().endswith(IDX_LABELS)


def is_pixel_header(header: Sequence[str]) -> bool:
    """Whether a CSV's columns are a label and 28 × 28 pixels."""
    return len(header) == _SIDE * _SIDE + 1 and "label" in header


def prefix_of(file: Location) -> str:
    """The prefix of the ids of a file's items: `train` of train-labels-idx1-ubyte.gz and of train.csv."""
    name = file.name
    for suffix in (*(f"-{s}" for s in IDX_LABELS), ".csv.gz", ".csv"):
        name = name.removesuffix(suffix)
    return name


def _read_idx(file: Location, dimensions: int) -> np.ndarray:
    data = file.read_bytes()
    try:
        data = gzip.decompress(data) if data[:2] == _GZIP else data
    except (OSError, EOFError) as error:
        raise InputError(f"{file}: cannot be unpacked: {first_line(error)}") from error
    header = 4 + 4 * dimensions
    if len(data) < header or data[:4] != bytes((0, 0, _UBYTE, dimensions)):
        raise InputError(f"{file}: not an IDX file of unsigned bytes in {dimensions} dimensions")
    shape = struct.unpack(f">{dimensions}I", data[4:header])
    if len(data) - header != int(np.prod(shape, dtype=np.int64)):
        size = " × ".join(map(str, shape))
        raise InputError(f"{file}: says that it holds {size} values, but holds {len(data) - header:,}")
    return np.frombuffer(data, np.uint8, offset=header).reshape(shape)


def _read_csv(file: Location) -> PixelTable:
    try:
        data = file.read_bytes()
        table = pa_csv.read_csv(io.BytesIO(gzip.decompress(data) if data[:2] == _GZIP else data))
        labels = table["label"].to_numpy().astype(np.uint8)
        columns = [table[name].to_numpy() for name in table.column_names if name != "label"]
    except (pa.ArrowException, ValueError, EOFError, gzip.BadGzipFile) as error:
        raise InputError(f"{file}: cannot be read as labels and pixels: {first_line(error)}") from error
    values = np.stack(columns, axis=1)
    if values.min(initial=0) < 0 or values.max(initial=0) > 255:
        raise InputError(f"{file}: pixels are numbers from 0 to 255")
    return PixelTable(labels, values.astype(np.uint8).reshape(-1, _SIDE, _SIDE))
