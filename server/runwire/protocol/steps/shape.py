"""The shape of a browser test as JSON Schema, and its bounds. Floor 2; pure.

Apart from the reading of a test, so that a server that starts, or runs no browser test, need not load the language.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

from runwire.protocol.devices import DEVICES

MAX_TEXT = 262_144
"""Most characters of a test's text; a guess far above any test written by hand."""
MAX_STEPS = 500
"""Most steps of a test; a guess: at 0.2 s a step this fills a run of default length."""

MAX_ROWS = 100
"""Most rows of a data table; a guess."""
MAX_RETRIES = 5

KeepLogs = Literal["on_failure", "always", "never"]
"""When a run's console and network logs are kept."""

INPUT_SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Browser test",
    "description": "A test as an object, or as a string that holds it as YAML or JSON.",
    "type": ["object", "string"],
    "required": ["steps"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 200},
        "url": {"type": "string", "description": "Where the test starts."},
        "steps": {
            "type": "array",
            "minItems": 1,
            "maxItems": MAX_STEPS,
            "items": {"type": "string"},
            "description": 'Sentences such as: Click "Add to cart".',
        },
        "timeout_s": {"type": "number", "exclusiveMinimum": 0, "maximum": 3600, "default": 300},
        "step_timeout_s": {"type": "number", "exclusiveMinimum": 0, "maximum": 600, "default": 10},
        "on_failure": {"enum": ["stop", "continue"], "default": "stop"},
        "keep_logs": {"enum": list(get_args(KeepLogs)), "default": "on_failure"},
        "retries": {"type": "integer", "minimum": 0, "maximum": 5, "default": 0},
        "variables": {"type": "object", "additionalProperties": {"type": ["string", "number"]}},
        "data": {"type": "array", "maxItems": MAX_ROWS, "items": {"type": "object"}},
        "files": {"type": "object", "additionalProperties": {"type": "string"}},
        "browser": {
            "type": "object",
            "description": "A browser configuration: viewport, locale, device and so on.",
            "properties": {"device": {"enum": list(DEVICES)}},
        },
        "task": {"type": "object", "description": "The saved test that a run carries out; written by the server."},
    },
    "examples": [
        {
            "name": "Buy a mug",
            "url": "/samples/shop/index.html",
            "steps": ['Click "Blue mug"', 'Click "Add to cart"', 'Verify text "1 item in your cart"'],
        }
    ],
}
"""For forms and listings; ``testfile.parse_test`` gives the better messages."""

REPLAY_SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Replay",
    "description": "A recorded traversal, and what it does not hold: values of variables, texts of uploaded files.",
    "type": "object",
    "required": ["traversal"],
    "additionalProperties": False,
    "properties": {
        "traversal": {"type": "object", "description": "As GET /v1/runs/{run_id}/traversal gives it."},
        **{
            name: INPUT_SCHEMA["properties"][name]
            for name in ("variables", "data", "files", "browser", "timeout_s", "step_timeout_s")
        },
    },
}
"""For forms and listings; ``recorded.parse_replay`` gives the better messages."""
