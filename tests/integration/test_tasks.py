"""Saved tests and browser configurations: versions, precise refusals, owners."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from tests.support.browser_tests import SHOP, save
from tests.support.embedded import EmbeddedServer
from tests.support.http import problem_of


async def test_each_change_of_a_test_is_a_version(server: EmbeddedServer) -> None:
    changed = {**SHOP, "steps": SHOP["steps"][:1]}
    async with server.http() as http:
        first = await save(http, "versions")
        same = await http.put("/v1/tasks/versions", json={"test": SHOP})
        second = await http.put("/v1/tasks/versions", json={"test": changed, "expected_version": 1})
        late = await http.put("/v1/tasks/versions", json={"test": SHOP, "expected_version": 1})
        listed = await http.get("/v1/tasks/versions/versions")
        old = await http.get("/v1/tasks/versions/versions/1")
        newest = await http.get("/v1/tasks/versions")
    assert (first["version"], first["default_browser_config"]) == (1, "versions_default")
    assert (same.json()["version"], second.json()["version"]) == (1, 2)
    problem_of(late, 409, "conflict")
    assert [one["version"] for one in listed.json()["data"]] == [2, 1]
    assert (old.json()["test"], newest.json()["test"]) == (SHOP, changed)


async def test_a_test_given_as_yaml_keeps_its_text(server: EmbeddedServer) -> None:
    text = '# by hand\nname: Yaml\nsteps:\n  - Click "A"\n'
    async with server.http() as http:
        await save(http, "yaml", text)
        kept = (await http.get("/v1/tasks/yaml")).json()
    assert (kept["text"], kept["test"], kept["name"]) == (text, {"name": "Yaml", "steps": ['Click "A"']}, "Yaml")


@pytest.mark.parametrize(
    ("test", "complaint"),
    [
        ({"steps": ['Click "A"', 'Click "B"', "Click"]}, "step 3: no target given"),
        ({"steps": ['Click "A"'], "browser": {"locale": "german"}}, 'browser.locale: "german" is no locale'),
        ({"steps": ['Click "A"'], "browser": {"device": "Abacus"}}, 'browser.device: "Abacus" is no known device'),
        ({"steps": ['Click "A"'], "browser": {"viewport": {"width": 5, "height": 5}}}, "`$.viewport.width`"),
        ({"steps": ['Click "A"'], "task": {"id": "x", "version": 1, "configuration": "y"}}, "leave it out"),
        ("steps: [", "no YAML"),
    ],
)
async def test_what_could_not_run_is_refused_at_saving(server: EmbeddedServer, test: Any, complaint: str) -> None:
    async with server.http() as http:
        refused = await http.post("/v1/tasks", json={"id": "broken", "test": test})
        absent = await http.get("/v1/tasks/broken")
    assert complaint in problem_of(refused, 422, "invalid_input")["detail"]
    problem_of(absent, 404, "not_found")


async def test_a_check_tells_every_fault_and_saves_nothing(server: EmbeddedServer) -> None:
    faulty = 'name: Checked\nsteps:\n  - Click "A"\n  - Click\n  - Juggle\n'
    async with server.http() as http:
        told = await http.post("/v1/tasks/check", json={"test": faulty})
        sound = await http.post("/v1/tasks/check", json={"test": SHOP})
        shapeless = await http.post("/v1/tasks/check", json={"tests": SHOP})
        problem_of(await http.get("/v1/tasks/check"), 404, "not_found")
    assert (told.status_code, told.json()["ok"]) == (200, False)
    assert [(one["step"], one["line"]) for one in told.json()["faults"]] == [(2, 4), (3, 5)]
    assert told.json()["faults"][0]["message"] == "step 2: no target given"
    assert sound.json() == {"ok": True, "name": SHOP["name"], "steps": len(SHOP["steps"]), "faults": []}
    problem_of(shapeless, 422, "invalid_input")


@pytest.mark.parametrize("task_id", ["", "A", "a b", "a/b", "-a", "a" * 65, "ä"])
async def test_an_id_is_a_slug(server: EmbeddedServer, task_id: str) -> None:
    async with server.http() as http:
        problem_of(await http.post("/v1/tasks", json={"id": task_id, "test": SHOP}), 422, "invalid_input")


async def test_ids_belong_to_their_owner_and_foreign_equals_absent(server: EmbeddedServer) -> None:
    async with server.http() as http, server.http(server.token_for("mallory")) as foreign:
        await save(http, "mine")
        again = await http.post("/v1/tasks", json={"id": "mine", "test": SHOP})
        assert (again.status_code, again.json()["version"]) == (201, 1), "a repeated request is no second test"
        other = {"steps": ["Take screenshot"]}
        problem_of(await http.post("/v1/tasks", json={"id": "mine", "test": other}), 409, "conflict")
        for path in ("/v1/tasks/mine", "/v1/tasks/mine/versions", "/v1/browser-configs/mine_default"):
            theirs, nobodys = await foreign.get(path), await foreign.get(path.replace("mine", "none"))
            assert problem_of(theirs, 404, "not_found")["detail"].replace("mine", "none") == nobodys.json()["detail"]
        for method, body in (("PUT", {"test": SHOP}), ("DELETE", None)):
            problem_of(await foreign.request(method, "/v1/tasks/mine", json=body), 404, "not_found")
        executed = await foreign.post("/test-runs/execute-configuration/mine/mine_default")
        problem_of(executed, 404, "not_found")
        await save(foreign, "mine", {"steps": ['Click "theirs"']})
        assert (await http.get("/v1/tasks/mine")).json()["test"] == SHOP
        assert [one["id"] for one in (await foreign.get("/v1/tasks")).json()["data"]] == ["mine"]


async def test_configurations_are_saved_changed_and_deleted(server: EmbeddedServer) -> None:
    options = {"device": "iPhone 15", "locale": "de-CH", "timezone": "Europe/Zurich", "allow": ["*.example.org"]}
    async with server.http() as http:
        made = await http.post("/v1/browser-configs", json={"id": "phone", "name": "Phone", "options": options})
        changed = await http.put("/v1/browser-configs/phone", json={"options": {**options, "color_scheme": "dark"}})
        bad = await http.post("/v1/browser-configs", json={"options": {"timezone": "Mars/Base"}})
        unknown = await http.post("/v1/browser-configs", json={"options": {"executable": "/bin/sh"}})
        await save(http, "keeps")
        kept = await http.delete("/v1/browser-configs/keeps_default")
        gone = await http.delete("/v1/browser-configs/phone")
        again = await http.delete("/v1/browser-configs/phone")
        deleted = await http.delete("/v1/tasks/keeps")
        default = await http.get("/v1/browser-configs/keeps_default")
        await save(http, "keeps")
    assert (made.status_code, made.json()["options"], made.json()["name"]) == (201, options, "Phone")
    assert (changed.json()["version"], changed.json()["options"]["color_scheme"]) == (2, "dark")
    assert '"Mars/Base" is no time zone' in problem_of(bad, 422, "invalid_input")["detail"]
    assert "executable" in problem_of(unknown, 422, "invalid_input")["detail"]
    problem_of(kept, 409, "conflict")
    assert (gone.status_code, deleted.status_code) == (204, 204)
    problem_of(again, 404, "not_found")
    problem_of(default, 404, "not_found")


async def test_lists_come_in_pages(server: EmbeddedServer) -> None:
    async with server.http(server.token_for("pager")) as http:
        await asyncio.gather(*(save(http, f"t{number}") for number in range(5)))
        found: list[str] = []
        after = ""
        while True:
            page = (await http.get("/v1/tasks", params={"limit": 2, "after": after})).json()
            found += [one["id"] for one in page["data"]]
            after = page["next"]
            if after is None:
                break
    assert found == [f"t{number}" for number in range(5)]


async def test_many_savings_of_one_id_save_it_once(server: EmbeddedServer) -> None:
    async def attempt(http: httpx.AsyncClient, number: int) -> int:
        test = {**SHOP, "name": f"Attempt {number}"}
        return (await http.post("/v1/tasks", json={"id": "race", "test": test})).status_code

    async with server.http() as http:
        codes = await asyncio.gather(*(attempt(http, number) for number in range(8)))
    assert sorted(codes) == [201] + [409] * 7
