"""Makes `published_schemas.json`: the fields of Kubernetes' and KubeRay's objects, strict, without descriptions.

    python -m tests.deploy.published_schemas CRDS

CRDS is the folder `helm-chart/kuberay-operator/crds` of KubeRay; the fields of Kubernetes are those of its Python
client, which has to be installed (`pip install kubernetes`). Unlike the server, the result refuses unknown fields.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

import yaml

SCHEMAS = Path(__file__).parent / "published_schemas.json"
_ROOTS = ("V1CronJob", "V1ConfigMap", "V1PersistentVolumeClaim", "V1PodTemplateSpec")
_PLAIN = {
    **dict.fromkeys(("str", "bytes", "datetime"), "string"),
    "int": "integer",
    "bool": "boolean",
    "float": "number",
}
_POD = {"template": "V1PodTemplateSpec", "submitterPodTemplate": "V1PodTemplateSpec"}


def main() -> None:
    """Write the file."""
    definitions: dict[str, Any] = {}
    for name in _ROOTS:
        _add(name, definitions)
    for kind in ("RayJob", "RayCluster"):
        document = yaml.safe_load((Path(sys.argv[1]) / f"ray.io_{kind.lower()}s.yaml").read_text())
        (version,) = (v for v in document["spec"]["versions"] if v["name"] == "v1")
        definitions[kind] = _strict(version["schema"]["openAPIV3Schema"])
        definitions[kind]["properties"]["metadata"] = {"$ref": "#/$defs/V1ObjectMeta"}
    SCHEMAS.write_text(json.dumps({"$defs": dict(sorted(definitions.items()))}, separators=(",", ":")) + "\n")


def _add(name: str, definitions: dict[str, Any]) -> None:
    """Add a model of the client, and those that it refers to."""
    from kubernetes import client  # not among the project's own libraries

    if name in definitions:
        return
    model = getattr(client, name)
    definitions[name] = {"type": "object", "additionalProperties": False, "properties": {}}
    for attribute, kind in model.openapi_types.items():
        definitions[name]["properties"][model.attribute_map[attribute]] = _of(kind, definitions)


def _of(kind: str, definitions: dict[str, Any]) -> dict[str, Any]:
    if match := re.fullmatch(r"[Ll]ist\[(.+)\]", kind):
        return {"type": "array", "items": _of(match[1], definitions)}
    if match := re.fullmatch(r"[Dd]ict[(\[]str, (.+)[)\]]", kind):
        return {"type": "object", "additionalProperties": _of(match[1], definitions)}
    if kind in _PLAIN:
        return {"type": _PLAIN[kind]}
    if kind in ("object", "Any"):
        return {}
    _add(kind, definitions)
    return {"$ref": f"#/$defs/{kind}"}


def _strict(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema of a CRD with its types, enumerations and fields alone."""
    kept: dict[str, Any] = {name: schema[name] for name in ("type", "enum", "minimum", "required") if name in schema}
    if schema.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    if "properties" in schema:
        kept["additionalProperties"] = False
        kept["properties"] = {
            name: {"$ref": f"#/$defs/{_POD[name]}"} if name in _POD else _strict(of)
            for name, of in schema["properties"].items()
        }
    elif isinstance(schema.get("additionalProperties"), dict):
        kept["additionalProperties"] = _strict(schema["additionalProperties"])
    if "items" in schema:
        kept["items"] = _strict(schema["items"])
    return kept


if __name__ == "__main__":
    main()
