"""Makes `openlineage_schemas.json`: the published schemas of OpenLineage's events, without descriptions.

    python -m tests.jobs.shell.openlineage_schemas SPEC

SPEC is the folder `spec` of OpenLineage's repository (Apache License 2.0).
"""

import json
import sys
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource

SCHEMAS = Path(__file__).parent / "openlineage_schemas.json"
_FACETS = (
    "DataQualityAssertionsDatasetFacet", "DatasetVersionDatasetFacet", "ErrorMessageRunFacet", "JobTypeJobFacet",
    "NominalTimeRunFacet", "OutputStatisticsOutputDatasetFacet", "ParentRunFacet", "ProcessingEngineRunFacet",
    "TagsRunFacet",
)  # fmt: skip


def check(event: dict[str, Any]) -> list[str]:
    """Check an event and its facets, each by the schema that it names; return the names of the facets."""
    schemas = json.loads(SCHEMAS.read_text())
    registry: Registry[Any] = Registry().with_resources(
        [(schema["$id"], Resource.from_contents(schema)) for schema in schemas]
    )
    found = []

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            for name, member in value.items():
                if isinstance(member, dict) and "_schemaURL" in member:
                    found.append(name)
                    by_schema(member["_schemaURL"], member)
                walk(member)
        elif isinstance(value, list):
            for member in value:
                walk(member)

    def by_schema(address: str, value: Any) -> None:
        Draft202012Validator({"$ref": address}, registry=registry, format_checker=FormatChecker()).validate(value)

    by_schema(event["schemaURL"], event)
    walk(event)
    return sorted(found)


def main() -> None:
    """Write the file."""
    spec = Path(sys.argv[1])
    files = [spec / "OpenLineage.json", *(spec / f"facets/{name}.json" for name in _FACETS)]
    schemas = [_plain(json.loads(file.read_text())) for file in files]
    SCHEMAS.write_text(json.dumps(schemas, separators=(",", ":")) + "\n")


def _plain(value: Any) -> Any:
    """A schema without what only people read."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items() if not (k in ("description", "example") and isinstance(v, str))}
    return [_plain(v) for v in value] if isinstance(value, list) else value


if __name__ == "__main__":
    main()
