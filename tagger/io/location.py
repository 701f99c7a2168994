"""Files and folders, local or in S3 buckets, behind one type; every write is atomic."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import IO, NamedTuple, cast

import pyarrow as pa
import pyarrow.fs as pafs

from tagger.errors import UsageError, WriteError
from tagger.io.atomic import delete_temporaries, temporary_name, write_atomically

S3 = "s3://"
_ATTEMPTS = 8


@dataclass(frozen=True)
class Location:
    """A file or folder by path or `s3://BUCKET/KEY`; picklable, so that workers can receive it.

    A local path is made absolute, because Ray's workers have another working directory.
    """

    uri: str
    s3_endpoint: str | None = None
    s3_region: str | None = None

    def __post_init__(self) -> None:
        if not self.is_s3:
            local = self.uri.removeprefix("file://")
            object.__setattr__(self, "uri", os.path.abspath(os.path.expanduser(local)))  # noqa: PTH100, PTH111 - keeps links

        elif not re.match(r"s3://[^/]+", self.uri):
            raise UsageError(f"{self.uri} names no bucket")

    @property
    def is_s3(self) -> bool:
        """Whether it is in a bucket."""
        return self.uri.startswith(S3)

    @property
    def path(self) -> str:
        """The path without its scheme, for its file system."""
        return self.uri.removeprefix(S3).rstrip("/") if self.is_s3 else self.uri

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rsplit("/", 1)[-1]

    @property
    def parent(self) -> "Location":
        """The folder that contains it."""
        return self._with(self.uri.rstrip("/").rsplit("/", 1)[0] or "/")

    def sibling(self, path: str) -> "Location":
        """Another path on the same file system."""
        return self._with(f"{S3}{path}" if self.is_s3 else path)

    def __truediv__(self, name: str) -> "Location":
        return self._with(f"{self.uri.rstrip('/')}/{name}")

    def __str__(self) -> str:
        return self.uri

    def __getstate__(self) -> dict[str, object]:
        return {k: v for k, v in self.__dict__.items() if k != "filesystem"}

    @cached_property
    def filesystem(self) -> pafs.FileSystem:
        """Its Arrow file system."""
        if not self.is_s3:
            return pafs.LocalFileSystem()
        return pafs.S3FileSystem(
            endpoint_override=self.s3_endpoint,
            region=self.s3_region,
            connect_timeout=10,
            request_timeout=60,
            retry_strategy=pafs.AwsStandardS3RetryStrategy(max_attempts=_ATTEMPTS),
            allow_delayed_open=True,  # a small file is one PUT
        )

    def exists(self) -> bool:
        """Whether a file or a folder exists."""
        return bool(self._info().type != pafs.FileType.NotFound)

    def is_dir(self) -> bool:
        """Whether it is an existing folder."""
        return bool(self._info().type == pafs.FileType.Directory)

    def stamp(self) -> str:
        """A text that changes when the file does: size and modification time."""
        info = self._info()
        return f"{info.size}:{info.mtime_ns}"

    def size(self) -> int:
        """Size of the file in bytes; 0 for one that does not exist."""
        return self._info().size or 0

    def files(self, suffixes: tuple[str, ...] = ()) -> list["Location"]:
        """The files below a folder, sorted by path: those with one of the suffixes, without hidden ones."""
        infos = self.filesystem.get_file_info(pafs.FileSelector(self.path, recursive=True, allow_not_found=True))
        below = len(self.path) + 1
        return [
            self.sibling(info.path)
            for info in sorted(infos, key=lambda info: info.path)
            if info.type == pafs.FileType.File
            and (not suffixes or info.path.lower().endswith(suffixes))
            and not any(part.startswith((".", "_")) for part in info.path[below:].split("/"))
        ]

    def sizes(self) -> dict[str, int]:
        """The names of the files directly in a folder, sorted, without hidden ones, with their sizes in bytes."""
        infos = self.filesystem.get_file_info(pafs.FileSelector(self.path, allow_not_found=True))
        files = sorted((info.base_name, info.size) for info in infos if info.type == pafs.FileType.File)
        return {name: size for name, size in files if not name.startswith((".", "_"))}

    def children(self) -> "Children":
        """What lies directly in a folder; in a bucket, that takes one request a thousand names."""
        infos = self.filesystem.get_file_info(pafs.FileSelector(self.path, allow_not_found=True))
        named = [(info.path, info.type) for info in sorted(infos, key=lambda info: info.path)]
        return Children(
            [self.sibling(path) for path, kind in named if kind == pafs.FileType.File],
            [self.sibling(path) for path, kind in named if kind == pafs.FileType.Directory],
        )

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """Read the file as a stream."""
        with self.filesystem.open_input_stream(self.path, compression=None) as stream:
            yield cast(IO[bytes], stream)

    def open_random(self) -> pa.NativeFile:
        """Open the file for random access, as Parquet needs."""
        return self.filesystem.open_input_file(self.path)

    def read_bytes(self) -> bytes:
        """The whole file."""
        with self.open() as stream:
            return stream.read()

    def write_bytes(self, data: bytes | pa.Buffer) -> None:
        """Write the whole file atomically: under a temporary name, then renamed; in a bucket, by one upload.

        Raises WriteError when the disk is full, the bucket is gone, or the write fails otherwise.
        """
        try:
            if self.is_s3:
                with self.filesystem.open_output_stream(self.path, compression=None) as out:
                    out.write(data)
            else:
                write_atomically(Path(self.path), data)
        except OSError as error:
            raise WriteError(f"{self} cannot be written: {first_line(error)}") from error

    def write_text(self, text: str) -> None:
        """Write a text file as UTF-8."""
        self.write_bytes(text.encode())

    def mkdir(self) -> None:
        """Create the folder; a bucket needs none, but must exist itself."""
        if not self.is_s3:
            self.filesystem.create_dir(self.path, recursive=True)

    def delete(self) -> None:
        """Delete the file, or the folder with its content, if it exists."""
        kind = self._info().type
        if kind == pafs.FileType.Directory:
            self.filesystem.delete_dir(self.path)
        elif kind == pafs.FileType.File:
            self.filesystem.delete_file(self.path)

    def delete_temporaries(self) -> None:
        """Delete what writers that were killed left below this folder; nobody may be writing to it."""
        if not self.is_s3:
            delete_temporaries(Path(self.path))

    def check_writable(self, flag: str) -> None:
        """Raise UsageError unless files can be written to this folder."""
        probe = self / temporary_name("writable")
        try:
            self.mkdir()
            probe.write_bytes(b"")
            probe.delete()
        except (OSError, WriteError) as error:
            raise UsageError(f"{flag}: cannot write to {self}: {first_line(error)}") from error

    def _with(self, uri: str) -> "Location":
        """Another location on the same file system, which shares its connections once there are some."""
        other = replace(self, uri=uri)
        if "filesystem" in self.__dict__:
            other.__dict__["filesystem"] = self.filesystem
        return other

    def _info(self) -> pafs.FileInfo:
        return self.filesystem.get_file_info(self.path)


class Children(NamedTuple):
    """What lies directly in a folder, each sorted by path."""

    files: list[Location]
    folders: list[Location]


def first_line(error: BaseException) -> str:
    """The first line of an exception's text, for messages of one line."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
