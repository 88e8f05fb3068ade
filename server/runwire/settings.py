"""Every setting: name, type, unit, range, default and help in one frozen value. Floor 0; read once at start-up.

Where their values come from: :mod:`runwire.settings_sources`. ``docs/settings.md`` and ``serve --help`` are generated
from this class; a unit ends each name that has one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

SECRET = frozenset({"model_api_key"})
"""Settings that are shown nowhere."""

Seconds = Annotated[float, Meta(ge=0.001, le=31_536_000)]
Count = Annotated[int, Meta(ge=1)]
Bytes = Annotated[int, Meta(ge=1)]


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The server's settings. Frozen: a running server never changes its mind."""

    host: Annotated[str, Meta(description="address to listen on")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="TCP port; 0 picks a free one")] = 8700
    data: Annotated[str, Meta(description="folder for the database, the token and artifacts")] = "./data"
    agents: Annotated[tuple[str, ...], Meta(description="own agents as module:attribute, comma-separated")] = ()
    samples: Annotated[
        str, Meta(description="folder of the sample sites served at /samples/; empty: the packaged ones")
    ] = ""
    test_mode: Annotated[
        bool, Meta(description="replace every model by a scripted one, which says what the question itself lays out")
    ] = False

    max_running: Annotated[Count, Meta(description="runs executed at once")] = 5
    running_per_user: Annotated[
        int, Meta(ge=0, description="runs of one user executed at once; 0: as many as there are slots")
    ] = 0
    agent_max_running: Annotated[
        tuple[str, ...],
        Meta(
            description="runs of single agents executed at once, as agent=count, comma-separated; over an agent's own"
        ),
    ] = ()
    run_timeout_s: Annotated[Seconds, Meta(description="time limit of a run's RUNNING time, seconds")] = 600.0
    run_idle_timeout_s: Annotated[
        float,
        Meta(
            ge=0,
            le=86_400,
            description="RUNNING time without an entry in the log after which a run ends (0: never), seconds",
        ),
    ] = 0.0
    max_attempts: Annotated[
        Count, Meta(description="attempts of a run, the first included, unless its agent's retry policy says otherwise")
    ] = 3
    input_timeout_s: Annotated[
        Seconds, Meta(description="time that a run's question waits for a person unless the agent says so, seconds")
    ] = 86_400.0
    inbox_messages: Annotated[Count, Meta(description="messages that wait in one thread until a run takes them")] = 100
    inbox_bytes: Annotated[Bytes, Meta(description="sum of the messages that wait in one thread, bytes")] = 262_144
    children_per_run: Annotated[Count, Meta(description="runs that one run may start")] = 100
    child_depth: Annotated[Count, Meta(description="how deep runs may start runs that start runs")] = 3
    cancel_grace_s: Annotated[Seconds, Meta(description="time that a cancelled run has to stop by itself, seconds")] = (
        5.0
    )
    cleanup_timeout_s: Annotated[
        Seconds, Meta(description="bound on clearing a runner's loop after a run, seconds")
    ] = 2.0
    queued_per_user: Annotated[Count, Meta(description="waiting runs of one user")] = 1000
    queued_runs: Annotated[Count, Meta(description="waiting runs of all users")] = 100_000
    events_per_run: Annotated[Count, Meta(description="entries in one run's log")] = 1_000_000
    event_bytes: Annotated[Bytes, Meta(description="size of one event, bytes")] = 65_536
    artifact_bytes: Annotated[Bytes, Meta(description="size of one artifact, bytes")] = 16 * 1024 * 1024
    run_log_bytes: Annotated[Bytes, Meta(description="sum of one run's events, bytes")] = 1024 * 1024 * 1024
    artifacts_per_run: Annotated[Count, Meta(description="artifacts of one run")] = 1000
    run_artifact_bytes: Annotated[Bytes, Meta(description="sum of one run's artifacts, bytes")] = 256 * 1024 * 1024

    budget_period: Annotated[Literal["day", "month"], Meta(description="when budgets renew, in UTC")] = "month"
    budget_tokens: Annotated[
        int, Meta(ge=0, description="tokens that a user's runs may use in a period; 0: no limit")
    ] = 0
    budget_cost_usd: Annotated[
        float, Meta(ge=0, description="dollars that a user's runs may cost in a period; 0: no limit")
    ] = 0.0
    user_schedules: Annotated[Count, Meta(description="schedules of one user")] = 50
    webhook_timeout_s: Annotated[Seconds, Meta(description="time for one delivery of a webhook in all, seconds")] = 10.0
    webhook_attempts: Annotated[Count, Meta(description="attempts of one delivery before it is given up")] = 8
    webhook_retry_s: Annotated[
        Seconds,
        Meta(description="pause behind a delivery's first failure; each further one is four times it; seconds"),
    ] = 5.0
    webhook_allow: Annotated[
        tuple[str, ...],
        Meta(description="hosts and networks that webhooks may go to although private, comma-separated"),
    ] = ()
    file_bytes: Annotated[Bytes, Meta(description="size of one file that a user stores for runs, bytes")] = (
        64 * 1024 * 1024
    )
    user_files: Annotated[Count, Meta(description="stored files of one user")] = 1000
    user_file_bytes: Annotated[Bytes, Meta(description="sum of one user's stored files, bytes")] = 1024 * 1024 * 1024
    upload_timeout_s: Annotated[Seconds, Meta(description="time that a file has to come whole, seconds")] = 600.0
    file_unused_s: Annotated[
        Seconds, Meta(description="age from which a file that no run and no schedule uses is removed, seconds")
    ] = 604_800.0

    share_links: Annotated[
        bool,
        Meta(description="let users make read-only links to their runs and conversations, for people without a token"),
    ] = False
    share_link_s: Annotated[Seconds, Meta(description="longest life of a share link, seconds")] = 2_592_000.0

    artifact_keep_s: Annotated[
        float,
        Meta(
            ge=0,
            le=3_153_600_000,
            description="time after a run's end for which its artifacts and traversal are kept; 0: until `db prune`; "
            "seconds",
        ),
    ] = 0.0

    isolation: Annotated[
        Literal["thread", "process"],
        Meta(description="where agents that do not say it themselves are executed: a thread each, or a process each"),
    ] = "thread"
    process_environment: Annotated[
        tuple[str, ...],
        Meta(
            description="environment variables that runs in processes of their own see, comma-separated; "
            "* stands for anything"
        ),
    ] = ("PATH", "HOME", "USER", "LANG", "LC_*", "TZ", "VIRTUAL_ENV", "SSL_CERT_*", "PLAYWRIGHT_BROWSERS_PATH")
    process_cpu_s: Annotated[
        Seconds, Meta(description="CPU time of all processes of a run that has its own, seconds")
    ] = 3600.0
    process_memory_bytes: Annotated[Bytes, Meta(description="the same for their resident memory, bytes")] = 2 * 1024**3
    process_count: Annotated[Count, Meta(description="the same for their number")] = 64
    process_file_bytes: Annotated[Bytes, Meta(description="size of one file that such a run writes, bytes")] = 1024**3
    process_open_files: Annotated[int, Meta(ge=32, description="open files of each process of such a run")] = 1024
    process_output_bytes: Annotated[
        Bytes, Meta(description="what is kept of such a run's standard output and error, bytes")
    ] = 1024 * 1024
    stuck_threads_most: Annotated[
        Count, Meta(description="threads lost to code that does not stop, above which no run gets a thread")
    ] = 20

    idle_timeout_s: Annotated[
        Seconds, Meta(description="silence after which a socket that did not ask to follow is closed 1001, seconds")
    ] = 30.0
    command_idle_timeout_s: Annotated[
        Seconds, Meta(description="the same for a command socket that follows nothing, seconds")
    ] = 300.0
    heartbeat_s: Annotated[Seconds, Meta(description="silence after which a heartbeat frame is sent, seconds")] = 10.0
    auth_timeout_s: Annotated[
        Seconds, Meta(description="time a socket without credentials has to authenticate, seconds")
    ] = 10.0
    handshake_timeout_s: Annotated[
        Seconds, Meta(description="time a connection has to send a whole request head, seconds")
    ] = 10.0
    disconnect_cancel_s: Annotated[
        Seconds,
        Meta(description="time without any follower after which a run started with on_disconnect=cancel ends, seconds"),
    ] = 15.0
    stuck_timeout_s: Annotated[
        Seconds, Meta(description="time without a byte leaving a full socket before it is cut, seconds")
    ] = 10.0
    slow_frame_timeout_s: Annotated[
        Seconds, Meta(description="time that one frame may take before its reader is cut, seconds")
    ] = 120.0
    ping_interval_s: Annotated[Seconds, Meta(description="interval of WebSocket pings, seconds")] = 20.0
    ping_timeout_s: Annotated[Seconds, Meta(description="time a peer has to answer a ping, seconds")] = 20.0
    message_bytes: Annotated[Bytes, Meta(description="size of one client message, bytes")] = 65_536
    body_bytes: Annotated[Bytes, Meta(description="size of one HTTP request body, bytes")] = 1_048_576
    messages_per_s: Annotated[Count, Meta(description="client messages a second on one socket")] = 20
    message_burst: Annotated[Count, Meta(description="client messages at once on one socket")] = 64
    follows_per_socket: Annotated[Count, Meta(description="runs followed on one socket")] = 32

    drain_sigint_s: Annotated[Seconds, Meta(description="time that runs have to end after Ctrl-C, seconds")] = 2.0
    drain_sigterm_s: Annotated[Seconds, Meta(description="time that runs have to end after SIGTERM, seconds")] = 20.0

    browser_executable: Annotated[str, Meta(description="Chromium binary; empty: look for one")] = ""
    browser_headless: Annotated[bool, Meta(description="run Chromium without a window")] = True
    browser_isolation: Annotated[
        Literal["context", "browser"],
        Meta(description="context: runs share a Chromium, each with a context of its own; browser: a Chromium each"),
    ] = "context"
    browser_wrapper: Annotated[
        str,
        Meta(
            description="program that drops to an unprivileged user and executes $RUNWIRE_CHROMIUM with its own "
            "arguments, so that a server that is root keeps Chromium's sandbox on; empty: none"
        ),
    ] = ""
    browser_allow: Annotated[
        tuple[str, ...],
        Meta(description="hosts and networks that browser runs may visit although private, comma-separated"),
    ] = ()
    browser_secrets: Annotated[
        str,
        Meta(
            description="TOML file (mode 0600) with user names and passwords that browser configurations may name; "
            "empty: none"
        ),
    ] = ""

    browser_runs: Annotated[
        int, Meta(ge=0, description="runs with a browser executed at once; 0: as many as there are slots")
    ] = 0
    browser_shared_by: Annotated[Count, Meta(description="most runs that share a Chromium, and are lost with it")] = 5
    browser_reserve_bytes: Annotated[
        int, Meta(ge=0, description="memory that must be free for a run with a browser to start, bytes")
    ] = 300_000_000
    browser_reserve_descriptors: Annotated[
        int, Meta(ge=0, description="the same for the server's file descriptors, their number")
    ] = 128
    browser_trace: Annotated[
        Literal["off", "on_failure", "on"],
        Meta(description="Playwright traces of browser tests, for admins alone: they hold secrets"),
    ] = "off"
    browser_downloads: Annotated[
        int, Meta(ge=0, description="downloads of one browser test that are kept as artifacts; 0: none")
    ] = 20
    browser_download_bytes: Annotated[Bytes, Meta(description="size of one such download, bytes")] = 16 * 1024 * 1024
    browser_videos: Annotated[int, Meta(ge=0, description="browser runs that are filmed at once; 0: none")] = 5
    browser_video_s: Annotated[Seconds, Meta(description="length of one such video, seconds")] = 600.0
    browser_video_bytes: Annotated[Bytes, Meta(description="size of one such video, bytes")] = 16 * 1024 * 1024
    browser_ffmpeg: Annotated[str, Meta(description="ffmpeg that encodes videos; empty: look for one")] = ""

    model_url: Annotated[
        str,
        Meta(
            description="base address of an OpenAI-compatible endpoint, such as http://127.0.0.1:11434/v1; "
            "empty: no model"
        ),
    ] = ""
    model_name: Annotated[str, Meta(description="the model's name there")] = ""
    model_api_key: Annotated[
        str,
        Meta(
            description="its key; set it in the environment or a file that others cannot read: command lines are public"
        ),
    ] = ""
    model_timeout_s: Annotated[
        Seconds, Meta(description="time that one answer of the model may take, repeats included, seconds")
    ] = 120.0
    model_attempts: Annotated[
        Count, Meta(description="requests for one answer while the model is busy or out of reach")
    ] = 4
    model_answer_tokens: Annotated[
        int, Meta(ge=0, description="most tokens of one answer, as the model is told; 0: it is told nothing")
    ] = 0
    model_price_input: Annotated[float, Meta(ge=0, description="dollars for a million tokens that the model reads")] = (
        0.0
    )
    model_price_output: Annotated[
        float, Meta(ge=0, description="dollars for a million tokens that the model writes")
    ] = 0.0
    model_tokens_per_run: Annotated[Count, Meta(description="tokens that one run may use, both directions")] = 2_000_000
    model_cost_per_run_usd: Annotated[float, Meta(ge=0, description="dollars that one run may use; 0: no limit")] = 0.0

    otel_endpoint: Annotated[
        str,
        Meta(
            description="OTLP/HTTP collector that traces are sent to, such as http://127.0.0.1:4318; "
            "empty: what OTEL_EXPORTER_OTLP_ENDPOINT says, else no traces"
        ),
    ] = ""
    metrics_open: Annotated[
        bool, Meta(description="let anybody read /metrics, without an admin's token: only where the network is trusted")
    ] = False
    browser_control: Annotated[
        bool, Meta(description="let people take over the browser of their own runs (view.control, view.input)")
    ] = True
    control_lease_s: Annotated[
        Seconds, Meta(description="time without an input after which a person's control goes back, seconds")
    ] = 60.0
    control_total_s: Annotated[
        Seconds, Meta(description="time that people may control one run's browser in sum, seconds")
    ] = 900.0
    view_inputs_per_s: Annotated[Count, Meta(description="view.input messages a second on one socket")] = 60
    views_per_socket: Annotated[Count, Meta(description="runs viewed on one socket")] = 8

    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="lowest level that is logged")
    ] = "info"
    log_format: Annotated[Literal["console", "json"], Meta(description="how log lines are written")] = "console"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Return what may be shown: settings that land in a log bring no key with them."""
        return [(name, getattr(self, name)) for name in self.__struct_fields__ if name not in SECRET]

    def __repr__(self) -> str:
        """Return the settings without secrets."""
        return f"Settings({', '.join(f'{name}={value!r}' for name, value in self.__rich_repr__())})"

    @property
    def data_path(self) -> Path:
        """The data folder as a path."""
        return Path(self.data)
