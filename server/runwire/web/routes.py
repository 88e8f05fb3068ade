"""Every path, its endpoint and its policy, in one table. Floor 6; a route without a policy does not start."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Mount, Route

from runwire.auth.policy import Policy
from runwire.errors import StartupIncomplete
from runwire.web import chat_ui
from runwire.web.access import protected
from runwire.web.body_limit import BodyBounds, BodyLimit
from runwire.web.door_counts import DoorCounts
from runwire.web.endpoints import (
    agents,
    artifacts,
    documents,
    files,
    health,
    login,
    monitoring,
    operators,
    people,
    readings,
    runs,
    schedules,
    shares,
    suites,
    tasks,
    test_runs,
    threads,
    traversal,
    usage,
    webhooks,
)
from runwire.web.endpoints.command_socket import command_socket
from runwire.web.endpoints.follow_socket import follow_socket
from runwire.web.socket_doors import SocketEndpoint
from runwire.web.watched import WatchedDoor

METRICS_PATH = "/metrics"


@dataclass(frozen=True, slots=True)
class Door:
    """One route: ``method`` is an HTTP method, or WS for a socket (whose endpoint authenticates by its own first
    steps).
    """

    method: str
    path: str
    endpoint: Callable[..., Any]
    policy: Policy | None
    upload: bool = False
    """Whether it takes files, by chunks, under the bounds of an upload."""


DOORS: tuple[Door, ...] = (
    Door("GET", "/healthz", health.healthz, Policy.PUBLIC),
    Door("GET", "/readyz", health.readyz, Policy.PUBLIC),
    Door("POST", "/v1/login", login.log_in, Policy.PUBLIC),
    Door("POST", "/v1/logout", login.log_out, Policy.USER),
    Door("GET", "/v1/me", login.who_am_i, Policy.USER),
    Door("POST", "/v1/tickets", login.issue_ticket, Policy.USER),
    Door("GET", "/v1/agents", agents.list_agents, Policy.USER),
    Door("POST", "/v1/runs", runs.create_run, Policy.USER),
    Door("GET", "/v1/runs", runs.list_runs, Policy.USER),
    Door("GET", "/v1/runs/{run_id}", runs.get_run, Policy.USER),
    Door("DELETE", "/v1/runs/{run_id}", runs.delete_run, Policy.USER),
    Door("GET", "/v1/runs/{run_id}/events", runs.get_events, Policy.USER),
    Door("POST", "/v1/runs/{run_id}/cancel", runs.cancel_run, Policy.USER),
    Door("POST", "/v1/runs/{run_id}/respond", people.respond, Policy.USER),
    Door("POST", "/v1/runs/{run_id}/messages", people.send_message, Policy.USER),
    Door("GET", "/v1/runs/{run_id}/requests", people.list_requests, Policy.USER),
    Door("POST", "/v1/runs/{run_id}/retry", runs.retry_run, Policy.USER),
    Door("GET", "/v1/runs/{run_id}/artifacts", artifacts.list_artifacts, Policy.USER),
    Door("GET", "/v1/runs/{run_id}/artifacts/{artifact_id}", artifacts.get_artifact, Policy.USER),
    Door("GET", "/v1/runs/{run_id}/artifacts.zip", artifacts.get_artifacts_zip, Policy.USER),
    Door("GET", "/v1/runs/{run_id}/trace", artifacts.get_trace, Policy.ADMIN),
    Door("GET", "/v1/runs/{run_id}/traversal", traversal.get_traversal, Policy.USER),
    Door("GET", "/v1/runs/{run_id}/deliveries", webhooks.list_run_deliveries, Policy.USER),
    Door("POST", "/v1/webhooks", webhooks.add_webhook, Policy.USER),
    Door("GET", "/v1/webhooks", webhooks.list_webhooks, Policy.USER),
    Door("DELETE", "/v1/webhooks/{webhook_id}", webhooks.delete_webhook, Policy.USER),
    Door("GET", "/v1/webhooks/{webhook_id}/deliveries", webhooks.list_deliveries, Policy.USER),
    Door("GET", "/v1/usage", usage.get_usage, Policy.USER),
    Door("GET", "/v1/budgets", usage.list_budgets, Policy.ADMIN),
    Door("PUT", "/v1/budgets/{user_id}", usage.set_budget, Policy.ADMIN),
    Door("DELETE", "/v1/budgets/{user_id}", usage.delete_budget, Policy.ADMIN),
    Door("POST", "/v1/schedules", schedules.add_schedule, Policy.USER),
    Door("GET", "/v1/schedules", schedules.list_schedules, Policy.USER),
    Door("GET", "/v1/schedules/{schedule_id}", schedules.get_schedule, Policy.USER),
    Door("PATCH", "/v1/schedules/{schedule_id}", schedules.change_schedule, Policy.USER),
    Door("DELETE", "/v1/schedules/{schedule_id}", schedules.delete_schedule, Policy.USER),
    Door("POST", "/v1/files", files.put_file, Policy.USER, upload=True),
    Door("GET", "/v1/files", files.list_files, Policy.USER),
    Door("GET", "/v1/files/{file_id}", files.get_file, Policy.USER),
    Door("DELETE", "/v1/files/{file_id}", files.delete_file, Policy.USER),
    Door("GET", "/v1/threads", threads.list_threads, Policy.USER),
    Door("GET", "/v1/threads/{thread_id}", threads.get_thread, Policy.USER),
    Door("PATCH", "/v1/threads/{thread_id}", threads.change_thread, Policy.USER),
    Door("DELETE", "/v1/threads/{thread_id}", threads.delete_thread, Policy.USER),
    Door("GET", "/v1/threads/{thread_id}/export", threads.export_thread, Policy.USER),
    Door("POST", "/v1/shares", shares.add_share, Policy.USER),
    Door("GET", "/v1/shares", shares.list_shares, Policy.USER),
    Door("DELETE", "/v1/shares/{share_id}", shares.delete_share, Policy.USER),
    Door("POST", "/v1/shared", shares.open_share, Policy.PUBLIC),
    Door("GET", "/v1/shared/{share_id}", shares.get_share, Policy.VISITOR),
    Door("POST", "/v1/shared/{share_id}/tickets", shares.issue_ticket, Policy.VISITOR),
    Door("GET", "/v1/shared/{share_id}/runs", shares.list_runs, Policy.VISITOR),
    Door("GET", "/v1/shared/{share_id}/runs/{run_id}", shares.get_run, Policy.VISITOR),
    Door("GET", "/v1/shared/{share_id}/runs/{run_id}/events", runs.get_events, Policy.VISITOR),
    Door("GET", "/v1/shared/{share_id}/runs/{run_id}/artifacts/{artifact_id}", artifacts.get_artifact, Policy.VISITOR),
    Door("GET", "/v1/shared/{share_id}/runs/{run_id}/artifacts.zip", artifacts.get_artifacts_zip, Policy.VISITOR),
    Door("GET", METRICS_PATH, monitoring.get_metrics, Policy.ADMIN),
    Door("GET", "/v1/status", monitoring.get_status, Policy.ADMIN),
    Door("GET", "/v1/browsers", monitoring.get_browsers, Policy.ADMIN),
    Door("GET", "/v1/queue", operators.get_queue, Policy.USER),
    Door("POST", "/v1/queue/pause", operators.pause_queue, Policy.ADMIN),
    Door("POST", "/v1/queue/resume", operators.resume_queue, Policy.ADMIN),
    Door("POST", "/v1/users/{user_id}/cancel", operators.cancel_user, Policy.ADMIN),
    Door("GET", "/v1/runs/{run_id}/steps", test_runs.get_steps, Policy.USER),
    Door("GET", "/v1/tasks", tasks.list_tasks, Policy.USER),
    Door("POST", "/v1/tasks", tasks.create_task, Policy.USER),
    Door("POST", "/v1/tasks/check", tasks.check_task, Policy.USER),
    Door("GET", "/v1/tasks/{task_id}", tasks.get_task, Policy.USER),
    Door("PUT", "/v1/tasks/{task_id}", tasks.change_task, Policy.USER),
    Door("DELETE", "/v1/tasks/{task_id}", tasks.delete_task, Policy.USER),
    Door("GET", "/v1/tasks/{task_id}/versions", tasks.list_task_versions, Policy.USER),
    Door("GET", "/v1/tasks/{task_id}/versions/{version}", tasks.get_task_version, Policy.USER),
    Door("GET", "/v1/readings", readings.list_readings, Policy.USER),
    Door("GET", "/v1/readings/{reading_id}", readings.get_reading, Policy.USER),
    Door("DELETE", "/v1/readings/{reading_id}", readings.delete_reading, Policy.USER),
    Door("GET", "/v1/browser-configs", tasks.list_browser_configs, Policy.USER),
    Door("POST", "/v1/browser-configs", tasks.create_browser_config, Policy.USER),
    Door("GET", "/v1/browser-configs/{browser_config_id}", tasks.get_browser_config, Policy.USER),
    Door("PUT", "/v1/browser-configs/{browser_config_id}", tasks.change_browser_config, Policy.USER),
    Door("DELETE", "/v1/browser-configs/{browser_config_id}", tasks.delete_browser_config, Policy.USER),
    Door(
        "POST",
        "/test-runs/execute-configuration/{task_id}/{browser_config_id}",
        test_runs.execute_configuration,
        Policy.USER,
    ),
    Door("GET", "/v1/runs/{run_id}/report.html", suites.get_run_html, Policy.USER),
    Door("GET", "/v1/runs/{run_id}/report.xml", suites.get_run_junit, Policy.USER),
    Door("GET", "/v1/suites", suites.list_suites, Policy.USER),
    Door("POST", "/v1/suites", suites.create_suite, Policy.USER),
    Door("GET", "/v1/suites/{suite_id}", suites.get_suite, Policy.USER),
    Door("PUT", "/v1/suites/{suite_id}", suites.change_suite, Policy.USER),
    Door("DELETE", "/v1/suites/{suite_id}", suites.delete_suite, Policy.USER),
    Door("POST", "/v1/suites/{suite_id}/run", suites.run_suite, Policy.USER),
    Door("GET", "/v1/suite-runs", suites.list_suite_runs, Policy.USER),
    Door("POST", "/v1/suite-runs", suites.create_suite_run, Policy.USER),
    Door("GET", "/v1/suite-runs/{suite_run_id}", suites.get_suite_run, Policy.USER),
    Door("POST", "/v1/suite-runs/{suite_run_id}/cancel", suites.cancel_suite_run, Policy.USER),
    Door("GET", "/v1/suite-runs/{suite_run_id}/report.html", suites.get_suite_html, Policy.USER),
    Door("GET", "/v1/suite-runs/{suite_run_id}/report.xml", suites.get_suite_junit, Policy.USER),
    Door("GET", "/test-runs", test_runs.list_test_runs, Policy.USER),
    Door("GET", "/test-runs/{run_id}", test_runs.get_test_run, Policy.USER),
    Door("GET", "/openapi.json", documents.get_document, Policy.PUBLIC),
    Door("GET", "/asyncapi.json", documents.get_document, Policy.PUBLIC),
    Door("GET", "/schema", documents.list_schemas, Policy.PUBLIC),
    Door("GET", "/schema/{name}", documents.get_document, Policy.PUBLIC),
    Door("WS", "/ws", command_socket, Policy.USER),
    Door("WS", "/ws/runs/{run_id}", follow_socket, Policy.USER),
    Door("GET", "/", chat_ui.page, Policy.PUBLIC),
    Door("GET", "/login", chat_ui.page, Policy.PUBLIC),
    Door("GET", "/shared", chat_ui.page, Policy.PUBLIC),
    Door("GET", "/shared/{share_id}", chat_ui.page, Policy.PUBLIC),
)


def doors_for(*, metrics_open: bool) -> tuple[Door, ...]:
    """Return the doors as the settings want them; ``metrics_open`` lets anybody read the metrics."""
    if not metrics_open:
        return DOORS
    return tuple(replace(door, policy=Policy.PUBLIC) if door.path == METRICS_PATH else door for door in DOORS)


def build_routes(
    body: BodyBounds, samples: Path | None, counts: DoorCounts, doors: tuple[Door, ...] = DOORS
) -> list[BaseRoute]:
    """Return the HTTP routes. Raises StartupIncomplete for a door, of either kind, without a policy."""
    routes: list[BaseRoute] = []
    for door in doors:
        if door.policy is None:
            raise StartupIncomplete(f"the route {door.method} {door.path} declares no policy")
        if door.method != "WS":
            endpoint = protected(door.endpoint, door.policy)
            watched = Middleware(WatchedDoor, door.method, door.path, counts)
            limit = Middleware(BodyLimit, bounds=(body.upload or body) if door.upload else body)
            routes.append(Route(door.path, endpoint, methods=[door.method], middleware=[watched, limit]))
    if chat_ui.ASSETS.is_dir():  # the page may not be built
        routes.append(Mount("/assets", chat_ui.assets()))
    if samples is not None:
        routes.append(Mount("/samples", chat_ui.samples(samples)))
    return routes


def socket_paths(doors: tuple[Door, ...] = DOORS) -> list[tuple[str, SocketEndpoint]]:
    """Return the sockets' paths with their endpoints."""
    return [(door.path, door.endpoint) for door in doors if door.method == "WS"]
