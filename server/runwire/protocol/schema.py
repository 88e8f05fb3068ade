"""JSON Schemas of everything on the wire, made from the classes that the code decodes and encodes. Floor 2; pure."""

from __future__ import annotations

from typing import Any

import msgspec

from runwire.protocol.commands import OPS, StartRun
from runwire.protocol.frames import FRAMES
from runwire.protocol.run_steps import RunSteps
from runwire.protocol.traversal import Traversal

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def frames_schema() -> dict[str, Any]:
    """Return the schema of every frame that a server sends."""
    schemas, definitions = msgspec.json.schema_components(FRAMES, ref_template="#/$defs/{name}")
    return {
        "$schema": DIALECT,
        "title": "Frames that a Runwire server sends",
        "oneOf": list(schemas),
        "$defs": definitions,
    }


def commands_schema() -> dict[str, Any]:
    """Return the schema of every command that a client sends: its arguments, its ``op`` and an optional ``id``."""
    shapes = sorted(set(OPS.values()), key=lambda shape: shape.__name__)
    schemas, definitions = msgspec.json.schema_components(shapes, ref_template="#/$defs/{name}")
    references = dict(zip(shapes, schemas, strict=True))
    commands = []
    for op, shape in sorted(OPS.items()):
        arguments = definitions[references[shape]["$ref"].rsplit("/", 1)[1]]
        properties = {"id": {"description": "comes back in the reply"}, "op": {"const": op}, **arguments["properties"]}
        commands.append(
            {**arguments, "title": op, "properties": properties, "required": ["op", *arguments["required"]]}
        )
    shared = {name: value for name, value in definitions.items() if name not in {s.__name__ for s in shapes}}
    return {"$schema": DIALECT, "title": "Commands that a client sends", "oneOf": commands, "$defs": shared}


def start_run_schema() -> dict[str, Any]:
    """Return the schema of the body of ``POST /v1/runs``."""
    return {"$schema": DIALECT, **msgspec.json.schema(StartRun, ref_template="#/$defs/{name}")}


def traversal_schema() -> dict[str, Any]:
    """Return the schema of a browser run's traversal."""
    return {"$schema": DIALECT, **msgspec.json.schema(Traversal, ref_template="#/$defs/{name}")}


def run_steps_schema() -> dict[str, Any]:
    """Return the schema of a browser run's steps."""
    return {"$schema": DIALECT, **msgspec.json.schema(RunSteps, ref_template="#/$defs/{name}")}


def documents() -> dict[str, dict[str, Any]]:
    """Return every schema by the name of its file under ``/schema``."""
    return {
        "commands.json": commands_schema(),
        "frames.json": frames_schema(),
        "run-steps.json": run_steps_schema(),
        "start-run.json": start_run_schema(),
        "traversal.json": traversal_schema(),
    }
