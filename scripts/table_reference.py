"""Configs, Parquet tables and JSON documents, as their schemas say."""

from typing import Any

import pyarrow as pa
from pydantic import BaseModel

from scripts.markdown import cell, code, table
from tagger.jobs.schema import ARROW, MODELS
from tagger.jobs.shell.registry import JOBS
from tagger.schemas.arrow import columns_of

_DOCUMENTS = {"bundle": "bundle.json", "run": "run.json", "index_card": "index.json", "pack_record": "_pack.json"}


def configs() -> str:
    """A table for each command: the keys of its YAML file."""
    return "\n\n".join(f"## {name}\n\n{_keys(config)}" for name, config in JOBS.items())


def tables() -> str:
    """A table for each Parquet schema: its columns."""
    return "\n\n".join(f"### {name}\n\n{_columns(schema)}" for name, schema in ARROW.items())


def documents() -> str:
    """A table for each JSON document: its keys, with those of the objects in it."""
    return "\n\n".join(f"### {file}\n\n{_keys(MODELS[name])}" for name, file in _DOCUMENTS.items())


def _columns(schema: pa.Schema) -> str:
    rows = [
        (code(str(c["name"])), cell(str(c.get("type", ""))), cell(str(c.get("description", ""))))
        for c in columns_of(schema)
    ]
    return table(["column", "type", "what it holds"], rows)


def _keys(model: type[BaseModel]) -> str:
    schema = model.model_json_schema(by_alias=True)
    required = set(schema.get("required", []))
    rows = [
        (
            code(key),
            cell(_type(field)),
            "**required**" if key in required else code(_default(field)),
            cell(field.get("description", "")),
        )
        for key, field in schema.get("properties", {}).items()
    ]
    return table(["key", "type", "default", "what it is"], rows)


def _type(field: dict[str, Any]) -> str:
    if "enum" in field:
        return " or ".join(f"`{value}`" for value in field["enum"])
    if "const" in field:
        return f"`{field['const']}`"
    if "anyOf" in field:
        kinds = [_type(kind) for kind in field["anyOf"] if kind.get("type") != "null"]
        return " or ".join(dict.fromkeys(kinds))
    if "$ref" in field:
        return str(field["$ref"]).rsplit("/", 1)[-1]
    match field.get("type"):
        case "array":
            return f"list of {_type(field.get('items', {}))}"
        case "object" if isinstance(field.get("additionalProperties"), dict):
            return f"mapping to {_type(field['additionalProperties'])}"
        case kind:
            return str(kind or "any")


def _default(field: dict[str, Any]) -> str:
    default = field.get("default")
    if default is None or default in ({}, [], ""):
        return ""
    return str(default).lower() if isinstance(default, bool) else str(default)
