"""Lists a folder or prefix of images, and suggests a pattern that names its images."""

import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import pyarrow as pa
import pyarrow.compute as pc

from tagger.images.files import list_files
from tagger.images.s3 import list_keys, list_names
from tagger.images.tar_members import COMPRESSED_TARS, TAR
from tagger.imaging.suffixes import IMAGE_SUFFIXES, UNREAD_SUFFIXES
from tagger.io.location import Location
from tagger.manifest.batch import Batch
from tagger.manifest.manifest import Manifest
from tagger.manifest.tables.parquet import PARQUET

_MAX_NESTED = 2000
_SECOND = re.compile(r"(.+)([-_. ])0?2(\.\w+)")
"""The name of an item's second image."""
_ENOUGH, _ENOUGH_SHARE = 3, 0.02


@dataclass(frozen=True)
class Content:
    """The file names directly in a folder and, where none is an image, some paths below it."""

    folder: Location
    names: Sequence[str]
    complete: bool
    nested: Sequence[str]

    @property
    def suffixes(self) -> list[str]:
        """The suffixes of its images as written, the most frequent first."""
        return [s for s, _ in self._counts().most_common() if s.lower() in IMAGE_SUFFIXES]

    @property
    def parquet(self) -> bool:
        """Whether it holds Parquet files; those in subfolders count only when there are no images beside them."""
        return self._holds(PARQUET)

    @property
    def tars(self) -> bool:
        """Whether it holds tar files, in the same way; compressed ones count."""
        return self._holds((TAR, *COMPRESSED_TARS))

    def notices(self) -> list[str]:
        """Messages for the user on how images are found."""
        counts, notices = self._counts(), []
        if self.folder.is_s3 or len(self.suffixes) > 1:
            patterns = ", ".join(f"{{id}}{suffix} ({counts[suffix]:,})" for suffix in self.suffixes)
            listed = "" if self.complete else f"; only the first {len(self.names):,} files were listed"
            notices.append(f"--images {self.folder}: images are taken by {patterns}{listed}")
        if example := self._numbered():
            stem, separator, suffix = example
            notices.append(
                f"--images {self.folder}: files such as {stem}{separator}2{suffix} look like further images of "
                f"{stem}{suffix}; --images '{self.folder}/{{id}}{separator}{{n}}{suffix}' looks at all of them"
            )
        if unread := self._unread():
            kinds = ", ".join(f"{suffix} ({count:,})" for suffix, count in unread.most_common())
            notices.append(f"--images {self.folder}: files of these kinds are not read: {kinds}")
        return notices

    def advice(self, batch: Batch | None) -> str:
        """A message: why `{id}` and a suffix do not name the folder's images, and which flag does."""
        text = f"--images: no image files in {self.folder}"
        images = [path for path in self.nested if path.lower().endswith(IMAGE_SUFFIXES)]
        if images:
            pattern = next((p for path in images[:50] if (p := _pattern_of(path, batch))), None)
            shape = f"{self.folder}/{pattern or _with_braces(images[0])}"
            return (
                f"{text} itself, but {images[0]} lies below it; name a pattern over columns, such as --images '{shape}'"
            )
        if unread := self._unread():
            return f"{text}; its {', '.join(unread)} files are not read: convert them, to JPEG for example"
        if any("." not in name for name in self.names):
            return f"{text}; if its files without suffix are images, give --images '{self.folder}/{{id}}'"
        return f"{text}; name a pattern, such as {self.folder}/{{year}}/{{id}}.jpg"

    def _holds(self, suffixes: tuple[str, ...]) -> bool:
        if any(name.lower().endswith(suffixes) for name in self.names):
            return True
        nested = [path.lower() for path in self.nested]
        return any(p.endswith(suffixes) for p in nested) and not any(p.endswith(IMAGE_SUFFIXES) for p in nested)

    def _numbered(self) -> tuple[str, str, str] | None:
        """Stem, separator and suffix of a file beside which there is one with the number 2, where there are many."""
        suffixes = self.suffixes
        names = set(self.names)
        beside = [m for name in self.names if (m := _SECOND.fullmatch(name)) and f"{m[1]}{m[3]}" in names]
        if not suffixes or len(beside) < max(_ENOUGH, _ENOUGH_SHARE * len(names)):
            return None
        stem, separator, suffix = beside[0].groups()
        return stem, separator, suffix

    def _unread(self) -> Counter[str]:
        suffixes = (PurePosixPath(name.lower()).suffix for name in self.names)
        return Counter(suffix for suffix in suffixes if suffix in UNREAD_SUFFIXES)

    def _counts(self) -> Counter[str]:
        return Counter(PurePosixPath(name).suffix for name in self.names)


def list_folder(folder: Location) -> Content:
    """List a folder or prefix: its files and, when none is an image, some files in subfolders."""
    if folder.is_s3:
        names, complete = list_names(folder)
    else:
        with os.scandir(folder.path) as entries:
            names, complete = [entry.name for entry in entries if not entry.is_dir()], True
    if any(name.lower().endswith(IMAGE_SUFFIXES) for name in names):
        return Content(folder, names, complete, [])
    prefix = f"{folder.uri.rstrip('/')}/"
    paths = list_keys(folder, _MAX_NESTED) if folder.is_s3 else list_files(prefix, _MAX_NESTED)
    return Content(folder, names, complete, [path.removeprefix(prefix) for path in sorted(paths)])


def first_batch(manifest: Manifest) -> Batch | None:
    """The manifest's first rows; None where it has none."""
    return next(iter(manifest.batches()), None)


def _pattern_of(path: str, batch: Batch | None) -> str | None:
    """A path with values replaced by their columns in braces; None when a part is not the value of a column."""
    if batch is None:
        return None
    *folders, name = path.split("/")
    stem, suffix = PurePosixPath(name).stem, PurePosixPath(name).suffix
    columns = [_column_of(part, batch) for part in folders]
    name_column = _column_of(stem, batch)
    if name_column is None or None in columns:
        return None
    return "/".join([*(f"{{{column}}}" for column in columns), f"{{{name_column}}}{suffix}"])


def _column_of(value: str, batch: Batch) -> str | None:
    names: list[str] = batch.items.schema.names
    for name in sorted(names, key=lambda n: (n != "id", n)):
        column = batch.items[name]
        if pa.types.is_string(column.type) and pc.any(pc.equal(column, value), min_count=0).as_py():
            return name
    return None


def _with_braces(path: str) -> str:
    *folders, name = path.split("/")
    return "/".join([*("{column}" for _ in folders), f"{{id}}{PurePosixPath(name).suffix}"])
