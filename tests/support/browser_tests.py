"""Saved tests for the tests: short ones, saved and run over HTTP."""

from __future__ import annotations

from typing import Any

import httpx

from runwire.protocol.traversal import Traversal

SHOP = {
    "name": "Look at the shop",
    "url": "/samples/shop/index.html",
    "steps": ['Verify title contains "Sample shop"', 'Click link "Blue mug"', 'Verify URL contains "product.html"'],
}
"""Passes, three steps."""

WRONG_PRICE = {
    "name": "Wrong price",
    "url": "/samples/shop/index.html",
    "steps": ['Verify title contains "Sample shop"', 'Verify text "free of charge"', "Take screenshot"],
    "step_timeout_s": 2,
}
"""Fails at its second step."""


async def save(http: httpx.AsyncClient, task_id: str, test: Any = None) -> dict[str, Any]:
    """Save a test and return it."""
    answer = await http.post("/v1/tasks", json={"id": task_id, "test": SHOP if test is None else test})
    assert answer.status_code == 201, answer.text
    saved: dict[str, Any] = answer.json()
    return saved


async def execute(http: httpx.AsyncClient, task_id: str, configuration: str = "", **body: Any) -> str:
    """Run a saved test and return its run's id."""
    path = f"/test-runs/execute-configuration/{task_id}/{configuration or task_id + '_default'}"
    answer = await http.post(path, json=body)
    assert answer.status_code == 202, answer.text
    assert set(answer.json()) == {"id", "current_state"}
    run_id: str = answer.json()["id"]
    return run_id


def traversal_of(run_id: str, attempt: int = 1) -> Traversal:
    """Return a traversal without steps."""
    return Traversal(
        run_id=run_id,
        attempt=attempt,
        name="T",
        url=None,
        started_ms=1,
        updated_ms=2,
        total=3,
        passed=0,
        ended=False,
        verdict=None,
        steps=(),
    )
