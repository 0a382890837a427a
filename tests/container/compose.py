"""Judges deploy/compose.yaml by the Compose Specification's own schema, and that every file it names is there."""

import json
import pathlib

import jsonschema
import yaml

here = pathlib.Path(__file__).parent
file = here.parents[1] / "deploy" / "compose.yaml"
compose = yaml.safe_load(file.read_text(encoding="utf-8"))
schema = json.loads((here / "compose-spec.json").read_text(encoding="utf-8"))
judge = jsonschema.Draft7Validator(schema)
services = compose["services"]


def faults(document):
    return [f"{list(fault.absolute_path)}: {fault.message}" for fault in judge.iter_errors(document)]


def named(document):
    """Every file and folder that a Compose file names, as seen from its own folder."""
    for service in document["services"].values():
        build = service.get("build")
        if build:
            yield build["context"]
            yield f'{build["context"]}/{build["dockerfile"]}'
        env = service.get("env_file", [])
        yield from [env] if isinstance(env, str) else env
        for volume in service.get("volumes", []):
            source = volume.split(":")[0] if isinstance(volume, str) else volume["source"]
            if source.startswith((".", "/")):
                yield source
    for kind in ("configs", "secrets"):
        yield from (one["file"] for one in document.get(kind, {}).values() if "file" in one)


def undeclared(document):
    """Named volumes, configs and services that a service refers to and nobody declares."""
    for name, service in document["services"].items():
        volumes = [volume.split(":")[0] for volume in service.get("volumes", [])]
        configs = [config["source"] for config in service.get("configs", [])]
        for kind, used in (("volumes", volumes), ("configs", configs), ("services", service.get("depends_on", {}))):
            yield from (f"{name}: {kind} {one}" for one in used if not one.startswith((".", "/")) and one not in document[kind])


assert not faults(compose), "\n".join(faults(compose))
# The judge notices: a key that the specification does not have, and a port that is no port.
assert faults({"services": {"a": {"imag": "b"}}}) and faults({"services": {"a": {"ports": [True]}}})
print("the Compose Specification has nothing to say against it")

names = list(named(compose))
missing = [name for name in names if not (file.parent / name).exists()]
assert not missing and len(names) >= 3, f"named and not there: {missing}"
assert not list(undeclared(compose)), list(undeclared(compose))
print("what it names is there:", ", ".join(names))

demo = {name for name, service in services.items() if "demo" in service.get("profiles", [])}
always = {name for name, service in services.items() if not service.get("profiles")}
assert demo == {"city"} and always == {"kafka", "key", "qianshao"}, (demo, always)
assert "controller" in services["kafka"]["environment"]["KAFKA_PROCESS_ROLES"], "KRaft"
for name in ("key", "qianshao", "city"):
    service = services[name]
    assert service["read_only"] and service["user"] == "10001:10001" and service["cap_drop"] == ["ALL"], name
print("test result: ok. 3 passed; 0 failed;")
