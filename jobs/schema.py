"""The schema command: prints a contract, for loading the files into other systems."""

import json

from pydantic import BaseModel

from tagger.errors import UsageError
from tagger.jobs.shell.console import Console
from tagger.jobs.shell.registry import JOBS
from tagger.schemas.arrow import columns_of, json_schema, listing
from tagger.schemas.configs.schema import SchemaConfig
from tagger.schemas.configs.search import SearchSpace
from tagger.schemas.documents.bundle import ModelCard
from tagger.schemas.documents.drift import DriftDocument
from tagger.schemas.documents.export_map import ExportMap
from tagger.schemas.documents.hold import Hold
from tagger.schemas.documents.index import INDEXED, IndexCard
from tagger.schemas.documents.pack import PackRecord
from tagger.schemas.documents.registry import Aliases, ModelVersion
from tagger.schemas.documents.run import RunRecord
from tagger.schemas.tables.change import CHANGE
from tagger.schemas.tables.decision import DECISION
from tagger.schemas.tables.duplicate import DUPLICATE, DUPLICATE_ANSWER, DUPLICATE_PAIR
from tagger.schemas.tables.embedding import EMBEDDING
from tagger.schemas.tables.final_tag import FINAL_TAG
from tagger.schemas.tables.finding import FINDING
from tagger.schemas.tables.item import ITEM, REJECT
from tagger.schemas.tables.packed import FAILED_IMAGE, PACKED_IMAGE
from tagger.schemas.tables.prediction import PREDICTION
from tagger.schemas.tables.refit_tag import REFIT_TAG
from tagger.schemas.tables.similar import SIMILAR
from tagger.schemas.wording import did_you_mean, listed

ARROW = {
    "prediction": PREDICTION,
    "reject": REJECT,
    "item": ITEM,
    "decision": DECISION,
    "embedding": EMBEDDING,
    "indexed": INDEXED,
    "similar": SIMILAR,
    "duplicate": DUPLICATE,
    "duplicate_pair": DUPLICATE_PAIR,
    "duplicate_answer": DUPLICATE_ANSWER,
    "finding": FINDING,
    "final_tag": FINAL_TAG,
    "refit_tag": REFIT_TAG,
    "change": CHANGE,
    "packed_image": PACKED_IMAGE,
    "failed_image": FAILED_IMAGE,
}
MODELS: dict[str, type[BaseModel]] = {
    "bundle": ModelCard,
    "run": RunRecord,
    "index_card": IndexCard,
    "pack_record": PackRecord,
    "export_map": ExportMap,
    "drift_result": DriftDocument,
    "hold": Hold,
    "model_version": ModelVersion,
    "model_aliases": Aliases,
    "space": SearchSpace,
    **{f"{job}_config" if job in ARROW else job: config for job, config in JOBS.items()},
}


def run(config: SchemaConfig, console: Console) -> int:
    """Print a contract."""
    text = text_of(config.name or "", config.arrow, console.as_json)
    console.say(text)
    if console.as_json:
        console.result(json.loads(text))
    return 0


def text_of(name: str, arrow: bool, as_json: bool = False) -> str:
    """Return the JSON Schema of a contract, or the listing of its Arrow columns; without a name, the names.

    Args:
        name: The contract's; of a command, `NAME_config` is the same as `NAME`; hyphens and underscores are equal.
        arrow: Whether to list the Arrow columns.
        as_json: Whether names and columns come as JSON, too.
    """
    names = sorted([*ARROW, *MODELS])
    if not name:
        return json.dumps(names, indent=2) if as_json else "\n".join(names)
    name = name.replace("-", "_")
    if name not in MODELS and name.removesuffix("_config") in JOBS:
        name = name.removesuffix("_config")
    if name in ARROW:
        if not arrow:
            return json.dumps(json_schema(ARROW[name], name), indent=2)
        return json.dumps(columns_of(ARROW[name]), indent=2) if as_json else listing(ARROW[name])
    if name in MODELS:
        if arrow:
            raise UsageError(f"{name} is a JSON document, not a table; leave --arrow out")
        return json.dumps(MODELS[name].model_json_schema(by_alias=True), indent=2)
    raise UsageError(f"there is no contract {name!r}{did_you_mean(name, names)}; there are {listed(names)}")


if __name__ == "__main__":
    from tagger.jobs.shell.cli import main

    main(job="schema")
