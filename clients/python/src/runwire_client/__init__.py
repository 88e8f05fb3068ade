"""Client of a Runwire server: start agent runs and follow them, each entry exactly once, over any number of reconnects.

``AsyncRunwire`` is the client, ``Runwire`` the same for programs without an event loop; ``errors`` draws what can go
wrong.
"""

from __future__ import annotations

from runwire_client import errors
from runwire_client.address import new_run_id
from runwire_client.artifacts import Artifact
from runwire_client.blocking import Runwire
from runwire_client.browser_tests import BrowserConfig, SavedTest, TestRun, TestStep
from runwire_client.client import AsyncRunwire
from runwire_client.conversations import Conversation, LastRun
from runwire_client.entries import (
    Connected,
    Entry,
    Event,
    Frame,
    Heartbeat,
    Item,
    Queue,
    Reset,
    ResetReason,
    RunFailure,
    RunStatus,
    State,
    Verdict,
)
from runwire_client.errors import RunwireError
from runwire_client.files import StoredFile
from runwire_client.live_view import Control, LiveView, Picture
from runwire_client.people import InputRequest, InputResponse, input_request, input_response
from runwire_client.queueing import AgentLoad, CancelledRuns, Operator, Pause, QueuePlace, QueueStatus, UserLoad
from runwire_client.readings import Reading
from runwire_client.records import Agent, Health, Run, RunRecord, RunResult
from runwire_client.schedules import Schedule
from runwire_client.shares import Share
from runwire_client.suites import Suite, SuiteMember, SuiteRun
from runwire_client.timing import Clock, Timing
from runwire_client.usage import Usage
from runwire_client.webhooks import Delivery, Webhook

__all__ = [
    "Agent",
    "AgentLoad",
    "Artifact",
    "AsyncRunwire",
    "BrowserConfig",
    "CancelledRuns",
    "Clock",
    "Connected",
    "Control",
    "Conversation",
    "Delivery",
    "Entry",
    "Event",
    "Frame",
    "Health",
    "Heartbeat",
    "InputRequest",
    "InputResponse",
    "Item",
    "LastRun",
    "LiveView",
    "Operator",
    "Pause",
    "Picture",
    "Queue",
    "QueuePlace",
    "QueueStatus",
    "Reading",
    "Reset",
    "ResetReason",
    "Run",
    "RunFailure",
    "RunRecord",
    "RunResult",
    "RunStatus",
    "Runwire",
    "RunwireError",
    "SavedTest",
    "Schedule",
    "Share",
    "State",
    "StoredFile",
    "Suite",
    "SuiteMember",
    "SuiteRun",
    "TestRun",
    "TestStep",
    "Timing",
    "Usage",
    "UserLoad",
    "Verdict",
    "Webhook",
    "errors",
    "input_request",
    "input_response",
    "new_run_id",
]
