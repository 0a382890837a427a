"""Judges schemas/alerts/asyncapi.yaml by the AsyncAPI project's own schema, and that every file it refers to is there."""

import json
import pathlib

import jsonschema
import yaml

here = pathlib.Path(__file__).parent
document_path = here.parents[2] / "schemas" / "alerts" / "asyncapi.yaml"
document = yaml.safe_load(document_path.read_text(encoding="utf-8"))
schema = json.loads((here / "3.0.0.schema.json").read_text(encoding="utf-8"))

faults = [f"{list(fault.absolute_path)}: {fault.message}" for fault in jsonschema.Draft7Validator(schema).iter_errors(document)]


def references(node):
    if isinstance(node, dict):
        for key, value in node.items():
            yield from [value] if key == "$ref" else references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def resolves(reference):
    file, _, pointer = reference.partition("#")
    if file:
        return (document_path.parent / file).is_file()
    node = document
    for part in pointer.strip("/").split("/"):
        node = node.get(part, {})
    return bool(node)


faults += [f"{reference} leads nowhere" for reference in references(document) if not resolves(reference)]
assert not faults, "\n".join(faults)
print("test result: ok. 1 passed; 0 failed;")
