"""Declares a contract's columns: Arrow fields with a description."""

import pyarrow as pa


def field(name: str, kind: pa.DataType, description: str, *, nullable: bool = True) -> pa.Field:
    """Return an Arrow field whose metadata holds its description."""
    return pa.field(name, kind, nullable=nullable, metadata={"description": description})


def conformed(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return a table cast to a schema, without additional columns, and with nulls for missing ones.

    Raises:
        pyarrow.ArrowInvalid: when a column cannot be cast.
    """
    size = len(table)
    columns = [table[f.name] if f.name in table.schema.names else pa.nulls(size, f.type) for f in schema]
    return pa.table(columns, names=schema.names).cast(schema)


def columns_of(schema: pa.Schema) -> list[dict[str, object]]:
    """Return a schema's columns: name, type, nullable, description."""
    return [
        {"name": f.name, "type": str(f.type), "nullable": f.nullable, "description": _description(f)} for f in schema
    ]


def listing(schema: pa.Schema) -> str:
    """Return a schema as text, one line per column: name, type, whether it may be null, description."""
    width = max(len(f.name) for f in schema)
    types = {f.name: str(f.type) for f in schema}
    type_width = min(40, max(len(t) for t in types.values()))
    return "\n".join(
        f"{f.name:<{width}}  {types[f.name]:<{type_width}}  {'null' if f.nullable else 'not null':<8}  "
        f"{_description(f)}"
        for f in schema
    )


def json_schema(schema: pa.Schema, title: str) -> dict[str, object]:
    """Return the JSON Schema (draft 2020-12) of one row of an Arrow schema."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        "type": "object",
        "properties": {f.name: _json_property(f) for f in schema},
        "required": [f.name for f in schema if not f.nullable],
        "additionalProperties": False,
    }


def _json_property(f: pa.Field) -> dict[str, object]:
    schema = _json_type(f.type)
    if f.nullable:
        schema["type"] = [schema["type"], "null"]
    description = _description(f)
    return {**schema, "description": description} if description else schema


def _description(f: pa.Field) -> str:
    return str((f.metadata or {}).get(b"description", b"").decode())


def _json_type(kind: pa.DataType) -> dict[str, object]:
    if pa.types.is_struct(kind):
        return {"type": "object", "properties": {f.name: _json_property(f) for f in kind}}
    if pa.types.is_list(kind):
        return {"type": "array", "items": _json_type(kind.value_type)}
    if pa.types.is_timestamp(kind):
        return {"type": "string", "format": "date-time"}
    if pa.types.is_integer(kind):
        return {"type": "integer"}
    if pa.types.is_floating(kind):
        return {"type": "number"}
    if pa.types.is_boolean(kind):
        return {"type": "boolean"}
    return {"type": "string"}
