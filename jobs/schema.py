"""Prints a contract, for those who load the files into other systems."""

import json

from pydantic import BaseModel

from jobs.cli import JOBS
from schemas.arrow import json_schema, listing
from schemas.bundle import ModelCard
from schemas.catalog import ITEM, REJECT
from schemas.decision import DECISION
from schemas.duplicate import DUPLICATE, DUPLICATE_PAIR
from schemas.embedding import EMBEDDING
from schemas.final_tag import FINAL_TAG
from schemas.finding import FINDING
from schemas.index import INDEXED, IndexCard
from schemas.prediction import PREDICTION
from schemas.run import RunRecord
from schemas.similar import SIMILAR
from tagger.errors import UsageError

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
    "finding": FINDING,
    "final_tag": FINAL_TAG,
}
MODELS: dict[str, type[BaseModel]] = {"bundle": ModelCard, "run": RunRecord, "index_card": IndexCard, **JOBS}


def run(name: str, arrow: bool) -> int:
    """Print a contract."""
    print(text_of(name, arrow))
    return 0


def text_of(name: str, arrow: bool) -> str:
    """Return the JSON Schema of a contract, or the listing of its Arrow columns; without a name, the names."""
    if not name:
        return "\n".join(sorted([*ARROW, *MODELS]))
    if name in ARROW:
        return listing(ARROW[name]) if arrow else json.dumps(json_schema(ARROW[name], name), indent=2)
    if name in MODELS:
        if arrow:
            raise UsageError(f"{name} is a JSON document, not a table; leave --arrow out")
        return json.dumps(MODELS[name].model_json_schema(by_alias=True), indent=2)
    raise UsageError(f"no contract {name!r}; there are {', '.join(sorted([*ARROW, *MODELS]))}")
