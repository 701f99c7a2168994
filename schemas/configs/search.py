"""A search space of settings, for `tagger tune --space`."""

import math
from typing import Annotated, Any

from pydantic import ConfigDict, Discriminator, Field, Tag, model_validator

from tagger.schemas.configs.learning import Learning
from tagger.schemas.values import JobConfig


class Range(JobConfig):
    """Values between two ends, drawn uniformly, on a linear or logarithmic scale."""

    low: float = Field(alias="from", description="Least value.")
    high: float = Field(alias="to", description="Largest value.")
    log: bool = Field(default=False, description="Draw the logarithm evenly.")
    whole: bool = Field(default=False, description="Draw whole numbers only.")

    @model_validator(mode="after")
    def _check(self) -> "Range":
        if not self.low < self.high:
            raise ValueError("from is not below to")
        if self.log and self.low <= 0:
            raise ValueError("a logarithmic range begins above 0")
        return self


_NOT_SEARCHED = {"min_items", "merge", "monitor"}


def _is_int(field: str) -> bool:
    return Learning.model_fields[field].annotation is int


def _kind(values: object) -> str:
    return "range" if isinstance(values, dict | Range) else "list"


Choices = Annotated[Annotated[list[Any], Tag("list")] | Annotated[Range, Tag("range")], Discriminator(_kind)]


class SearchSpace(JobConfig):
    """A YAML file of the settings to try: those under `space` vary, those under `set` and of the recipe hold."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "description": "how fast to learn, and with which optimiser; 2 x 2 trials, or --trials 20 draws",
                    "recipe": "fast",
                    "set": {"epochs": 3},
                    "space": {"lr": [0.001, 0.003], "optimiser": ["adamw", "sgd"]},
                },
                {
                    "recipe": "standard",
                    "space": {
                        "lr": {"from": 0.0003, "to": 0.01, "log": True},
                        "epochs": {"from": 3, "to": 8, "whole": True},
                        "image_size": ["128x96", "160x120"],
                    },
                },
            ]
        }
    )

    description: str = Field(default="", description="What it is for.")
    recipe: str = Field(default="standard", description="The recipe whose other settings hold.")
    set: dict[str, Any] = Field(default={}, description="Settings over the recipe, the same in every trial.")
    space: dict[str, Choices] = Field(description="By field of a recipe: a list of values, or a range.")

    @model_validator(mode="after")
    def _check(self) -> "SearchSpace":
        unknown = sorted({*self.space, *self.set} - set(Learning.model_fields))
        if unknown:
            raise ValueError(f"{', '.join(unknown)}: a recipe has no such field")
        fixed = sorted({*self.space} & _NOT_SEARCHED)
        if fixed:
            raise ValueError(f"{', '.join(fixed)}: is the same in all trials, to compare them; put it under set")
        fractions = sorted(n for n, v in self.space.items() if isinstance(v, Range) and not v.whole and _is_int(n))
        if fractions:
            raise ValueError(f"{', '.join(fractions)}: takes whole numbers only; add whole: true to the range")
        empty = sorted(name for name, values in self.space.items() if values == [])
        if empty or not self.space:
            raise ValueError(f"{', '.join(empty) or 'space'}: there is nothing to choose from")
        twice = sorted({*self.space} & {*self.set})
        if twice:
            raise ValueError(f"{', '.join(twice)}: stands under both set and space")
        return self

    def probes(self) -> list[dict[str, Any]]:
        """Settings that cover every value of the space: the first of each, and each of the others among them."""
        choices = {n: [v.low, v.high] if isinstance(v, Range) else v for n, v in self.space.items()}
        choices = {n: [int(v) if self._is_whole(n) else v for v in values] for n, values in choices.items()}
        first = {name: values[0] for name, values in choices.items()}
        return [first, *({**first, name: value} for name, values in choices.items() for value in values[1:])]

    def _is_whole(self, name: str) -> bool:
        values = self.space[name]
        return isinstance(values, Range) and values.whole

    @property
    def combinations(self) -> int:
        """Number of combinations of the lists; 0 if there is a range."""
        if any(isinstance(values, Range) for values in self.space.values()):
            return 0
        return math.prod(len(values) for values in self.space.values() if isinstance(values, list))
