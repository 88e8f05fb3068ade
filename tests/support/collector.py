"""A collector of traces: takes OTLP over HTTP on a free port and keeps what the real exporter sends."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True, slots=True)
class SpanSeen:
    """One span as it was exported; times in nanoseconds, ids in hexadecimal."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    begun_ns: int
    ended_ns: int
    failed: bool
    facts: dict[str, Any]


@dataclass(slots=True)
class Collector:
    """What has arrived so far."""

    endpoint: str = ""
    service: str = ""
    bodies: list[bytes] = field(default_factory=list)
    spans: list[SpanSeen] = field(default_factory=list)

    def take(self, body: bytes) -> None:
        """Decode one export."""
        self.bodies.append(body)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            self.service = {fact.key: fact.value.string_value for fact in resource.resource.attributes}["service.name"]
            for scope in resource.scope_spans:
                self.spans += map(_seen, scope.spans)

    def of_run(self, run_id: str) -> tuple[SpanSeen, list[SpanSeen]]:
        """Return a run's own span and its children, the earliest first."""
        (run,) = [span for span in self.spans if span.facts.get("runwire.run_id") == run_id]
        children = [span for span in self.spans if span.parent_id == run.span_id]
        return run, sorted(children, key=lambda span: span.begun_ns)


def _seen(span: Any) -> SpanSeen:
    facts = {fact.key: fact.value.string_value or fact.value.int_value for fact in span.attributes}
    return SpanSeen(
        name=span.name,
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        begun_ns=span.start_time_unix_nano,
        ended_ns=span.end_time_unix_nano,
        failed=span.status.code == 2,
        facts=facts,
    )


@contextmanager
def collecting() -> Iterator[Collector]:
    """Run a collector for a block."""
    collector = Collector()

    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            collector.take(gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)
            self.send_response(200 if self.path == "/v1/traces" else 404)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *arguments: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Door) as server:
        collector.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield collector
        finally:
            server.shutdown()
            thread.join(2)
