"""Webhooks as the receiver sees them: what is signed, how, and when it is sent again. Floor 2; any thread; pure.

Source: Standard Webhooks (https://www.standardwebhooks.com), so receivers can use its libraries.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from runwire.errors import InvalidInput
from runwire.protocol.addresses import Allowed, as_address
from runwire.runs.record import RunRecord
from runwire.runs.state import RunStatus

SECRET_PREFIX = "whsec_"
RETRY_FACTOR = 4
LONGEST_RETRY_S = 21_600.0
"""Six hours: eight attempts with the default settings span a little over eight of them."""

Url = Annotated[str, Meta(min_length=1, max_length=2_048, description="where a run's end is POSTed to")]
Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$(?!\n)", description="the user's own name for it")]


class StartWebhook(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Whom to tell of one run's end; ``secret_name`` is the name of a webhook of the user whose secret signs it."""

    url: Url
    secret_name: Name | None = None


class AddWebhook(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Whom to tell of the ends of runs: the body of ``POST /v1/webhooks``. Without a list: all statuses, all agents;
    ``everyone``: of all users' runs, for admins."""

    name: Name
    url: Url
    statuses: Annotated[tuple[str, ...], Meta(min_length=1, max_length=3)] | None = None
    agents: Annotated[tuple[str, ...], Meta(min_length=1, max_length=50)] | None = None
    everyone: bool = False


def new_webhook_secret() -> str:
    """Return a secret of 256 random bits in the form that the receivers' libraries take."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def signature(secret: str, message_id: str, timestamp_s: int, body: bytes) -> str:
    """Return the value of ``webhook-signature``: HMAC-SHA256 over id, timestamp and body, joined by dots."""
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    signed = f"{message_id}.{timestamp_s}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def headers_of(message_id: str, timestamp_s: int, body: bytes, secret: str | None) -> dict[str, str]:
    """Return the headers of one delivery; without a secret it is not signed."""
    headers = {
        "content-type": "application/json",
        "user-agent": "runwire",
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp_s),
    }
    if secret is not None:
        headers["webhook-signature"] = signature(secret, message_id, timestamp_s, body)
    return headers


def body_of(record: RunRecord) -> bytes:
    """Return the body that tells of a run's end: the same bytes at each attempt. The input is not in it."""
    ending = {} if record.terminal is None else msgspec.json.decode(record.terminal, type=dict[str, msgspec.Raw])
    data: dict[str, Any] = {
        "run_id": record.id,
        "thread_id": record.thread_id,
        "user": record.owner_id,
        "agent": record.agent,
        "created_ms": record.created_ms,
        "started_ms": record.started_ms,
        "ended_ms": record.ended_ms,
        **ending,
    }
    when = datetime.fromtimestamp((record.ended_ms or 0) / 1000, UTC).isoformat(timespec="milliseconds")
    kind = f"run.{record.status.value.lower()}"
    return msgspec.json.encode({"type": kind, "timestamp": when.replace("+00:00", "Z"), "data": data})


def retry_after_s(attempts: int, first_s: float) -> float:
    """Return how long after the ``attempts``-th failure the next attempt comes, seconds."""
    return min(first_s * float(RETRY_FACTOR) ** (attempts - 1), LONGEST_RETRY_S)


def check_url(url: str, allowed: Allowed) -> None:
    """Accept an address as far as its form goes; where its name leads is looked at with each delivery.

    Raises:
        InvalidInput: no address, credentials in it, an address that is private, or plain http to the public.
    """
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError as error:
        raise InvalidInput(f"url: no address: {error}") from error
    if parts.scheme not in ("http", "https") or not host or "@" in parts.netloc or not url.isascii():
        raise InvalidInput("url: https://host[:port]/path, in ASCII, without credentials")
    address = as_address(host)
    if address is not None and (reason := allowed.why_not(host, address)) is not None:
        raise InvalidInput(f"url: {reason}")
    exempt = allowed.names(host) or (address is not None and not address.is_global)
    if parts.scheme == "http" and not exempt:
        raise InvalidInput("url: https; what is sent would cross the network in the clear")


def check_statuses(statuses: tuple[str, ...] | None) -> None:
    """Raises InvalidInput for what is no terminal status."""
    known = (RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.CANCELLED)
    for status in statuses or ():
        if status not in known:
            raise InvalidInput(f"statuses: of {', '.join(known)}, got {status[:20]!r}")
