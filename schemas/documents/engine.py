"""`engine.json`: the engine chosen for a bundle's model on each kind of machine."""

from typing import Literal

from pydantic import Field

from tagger.schemas.documents.run import EngineCheck, RunPart

ENGINE_FILE = "engine.json"
"""Name of the document in a bundle's folder: what machines have measured, which is no part of the bundle."""


class MeasuredEngine(RunPart):
    """The last choice of an engine for one model on one kind of machine."""

    model_id: str
    device: Literal["cpu", "cuda"]
    machine: str = Field(description="The model of its processor or GPU.")
    versions: dict[str, str] = Field(description="Of the libraries that compute.")
    policy: str = Field(description="Hash of the policy whose decisions were compared; empty without one.")
    offered: int = Field(description="How many images the run had.")
    check: EngineCheck


class MeasuredEngines(RunPart):
    """The whole of `engine.json`."""

    engines_version: Literal[3] = 3
    measured: tuple[MeasuredEngine, ...] = ()
