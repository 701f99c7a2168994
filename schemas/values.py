"""Parts of configs: their base class, sizes, shares and ranges as text, and shared choices."""

import os
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from tagger.schemas.documents.taxonomy import Level

Fit = Literal["pad", "stretch"]
Resize = Literal["bicubic", "area"]
EvidenceUse = Literal["auto", "all", "check", "image"]
Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["auto", "float32", "bfloat16"]
SplitName = Literal["train", "val", "test", "control"]
EngineName = Literal[
    "auto",
    "openvino-cpu-float16",
    "openvino-cpu-bfloat16",
    "openvino-cpu-float32",
    "torch-cpu-float32",
    "torch-cuda-float16",
    "torch-cuda-bfloat16",
    "torch-cuda-float32",
]


def parse_size(text: str) -> tuple[int, int]:
    """Read HEIGHTxWIDTH, in pixels."""
    match = re.fullmatch(r"(\d{1,4})x(\d{1,4})", text.strip().lower())
    if not match:
        raise ValueError(f"{text!r} is not HEIGHTxWIDTH, such as 128x96")
    height, width = int(match[1]), int(match[2])
    if not (8 <= height <= 2048 and 8 <= width <= 2048):
        raise ValueError(f"{text!r}: each side is 8 to 2048 pixels")
    return height, width


def parse_share_or_count(text: str) -> tuple[float | None, int | None]:
    """Read `5%` as (0.05, None) and `100` as (None, 100)."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*%", text.strip())
    if match and float(match[1]) <= 100:
        return float(match[1]) / 100, None
    if re.fullmatch(r"\d+", text.strip()):
        return None, int(text)
    raise ValueError(f"{text!r} is neither a number of items, such as 100, nor a share, such as 5%")


def parse_range(text: str) -> tuple[int, int]:
    """Read `4` as (4, 4) and `2-16` as (2, 16)."""
    match = re.fullmatch(r"(\d+)(?:-(\d+))?", text.strip())
    least = int(match[1]) if match else 0
    most = int(match[2] or least) if match else 0
    if not match or least > most or (match[2] and least < 1):
        raise ValueError(f"{text!r} is neither a number of processes, such as 4, nor a range, such as 2-16")
    return least, most


def _checked_size(text: str) -> str:
    height, width = parse_size(text)
    return f"{height}x{width}"


def _checked_share(value: object) -> str:
    text = str(value).strip()
    parse_share_or_count(text)
    return text


def no_flag(value: object) -> object:
    """YAML's yes and no would count as 1 and 0."""
    if isinstance(value, bool):
        raise ValueError(f"{value} is no number")
    return value


Size = Annotated[str, AfterValidator(_checked_size)]
ShareOrCount = Annotated[str, BeforeValidator(_checked_share)]
Confidence = Annotated[float, BeforeValidator(no_flag), Field(ge=0, le=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]


class Panel(StrEnum):
    """Groups of settings, in the order of `--help`."""

    IN_AND_OUT = "Input and output"
    SETTINGS = "Settings"
    SELECTION = "Which items"
    DECISIONS = "Decisions"
    DATA = "Data"
    IMAGES = "Images"
    SPLIT = "Split"
    HONEST = "Honest figures"
    MODEL = "Model"
    TRAINING = "Training"
    RARE = "Rare leaves"
    AUGMENTATION = "Augmentation"
    SPEED = "Engine and speed"
    CLUSTER = "Cluster"
    LIMITS = "Limits"
    DRIFT = "Drift"
    REPORTING = "Telling others"
    RAY = "Ray"
    S3 = "S3"
    ALL_COMMANDS = "In all commands"


class JobConfig(BaseModel):
    """Base class of the configs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    panel: ClassVar[Panel] = Panel.SETTINGS
    """The panel of the fields that this config declares."""
    examples: ClassVar[tuple[str, ...]] = ()
    """Examples of arguments, for the command's help."""
    renamed: ClassVar[Mapping[str, str]] = {}
    """Fields by their deprecated names; the next release removes these."""
    synonyms: ClassVar[Mapping[str, str]] = {}
    """Fields by a permanent second name."""

    @classmethod
    def old_names(cls) -> dict[str, str]:
        """Fields by their deprecated names, of this config and its bases."""
        return {old: new for base in cls.__mro__ for old, new in vars(base).get("renamed", {}).items()}

    @classmethod
    def second_names(cls) -> dict[str, str]:
        """Fields by their second names, of this config and its bases."""
        return {name: field for base in cls.__mro__ for name, field in vars(base).get("synonyms", {}).items()}

    @classmethod
    def other_names(cls) -> dict[str, str]:
        """Fields by all names except the current one."""
        return cls.old_names() | cls.second_names()

    @model_validator(mode="before")
    @classmethod
    def _paths_as_text(cls, given: object) -> object:
        """A caller in Python may give a `Path` where a path or an address is expected."""
        return {name: _path_as_text(value) for name, value in given.items()} if isinstance(given, dict) else given

    @model_validator(mode="before")
    @classmethod
    def _by_current_names(cls, given: object) -> object:
        if not isinstance(given, dict):
            return given
        names = cls.other_names()
        for old in given:
            if names.get(old) in given:
                raise ValueError(f"{old} and {names[old]} are one setting: give {names[old]} alone")
        return {names.get(name, name): value for name, value in given.items()}


def _path_as_text(value: object) -> object:
    if isinstance(value, list | tuple):
        return [os.fspath(one) if isinstance(one, os.PathLike) else one for one in value]
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def by_level(value: object) -> object:
    """Read one number for both levels, or LEVEL=NUMBER pairs separated by commas."""
    no_flag(value)
    if isinstance(value, int | float | str):
        return dict.fromkeys(Level, value)
    return _pairs(value)


ALL_NAMES = "*"
"""Name under which `by_name` keeps one number for all."""


def by_name(value: object) -> object:
    """Read one number for all names, or NAME=NUMBER pairs separated by commas."""
    no_flag(value)
    return {ALL_NAMES: value} if isinstance(value, int | float | str) else _pairs(value)


def _pairs(value: object) -> object:
    """The pairs of a mapping, of which a text may hold more, separated by commas."""
    if not isinstance(value, dict):
        return value
    pairs: dict[object, object] = {}
    for key, number in value.items():
        first, *more = number.split(",") if isinstance(number, str) else [number]
        pairs[key] = first
        for text in more:
            name, _, rest = text.partition("=")
            pairs[name.strip()] = rest.strip()
    return pairs


def separate_names(value: object) -> object:
    """Read names, given as a list or as a text, that are separated by commas."""
    if value is None:
        return []
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list | tuple):
        return value
    return [part.strip() for name in names for part in str(name).split(",") if part.strip()]
