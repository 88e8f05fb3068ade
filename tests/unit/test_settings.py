"""Settings: flag before environment before file before default; every error names the setting and its source."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from runwire.errors import ConfigurationError
from runwire.settings import Settings
from runwire.settings_sources import describe, load


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "runwire.toml"
    path.write_text('max_running = 3\nport = 1\nagents = ["a:b", "c:d"]\nheartbeat_s = 2\n')
    return path


def test_defaults_are_the_protocols() -> None:
    settings = load({}, {})
    assert settings == Settings()
    facts = {
        "host": "127.0.0.1",
        "port": 8700,
        "max_running": 5,
        "run_timeout_s": 600,
        "cancel_grace_s": 5,
        "idle_timeout_s": 30,
        "command_idle_timeout_s": 300,
        "heartbeat_s": 10,
        "auth_timeout_s": 10,
        "disconnect_cancel_s": 15,
        "message_bytes": 65_536,
        "body_bytes": 1_048_576,
        "event_bytes": 65_536,
        "events_per_run": 1_000_000,
        "queued_per_user": 1_000,
        "messages_per_s": 20,
        "message_burst": 64,
        "follows_per_socket": 32,
        "stuck_timeout_s": 10,
        "slow_frame_timeout_s": 120,
        "drain_sigint_s": 2,
        "drain_sigterm_s": 20,
    }
    assert {name: getattr(settings, name) for name in facts} == facts


def test_flag_beats_environment_beats_file_beats_default(file: Path) -> None:
    environ = {"RUNWIRE_CONFIG": str(file)}
    assert load({}, environ).max_running == 3
    environ["RUNWIRE_MAX_RUNNING"] = "4"
    assert load({}, environ).max_running == 4
    assert load({"max_running": "6"}, environ).max_running == 6
    assert load({"max_running": None}, environ).max_running == 4
    assert load({}, environ).heartbeat_s == 2.0
    assert load({}, environ).queued_runs == Settings().queued_runs


def test_the_config_flag_beats_the_config_variable(file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    other.write_text("max_running = 9\n")
    assert load({"config": str(other)}, {"RUNWIRE_CONFIG": str(file)}).max_running == 9


def test_lists_come_from_toml_and_from_commas(file: Path) -> None:
    assert load({"config": str(file)}, {}).agents == ("a:b", "c:d")
    assert load({"agents": "x:y, z:w,"}, {}).agents == ("x:y", "z:w")
    assert load({}, {"RUNWIRE_AGENTS": ""}).agents == ()


@pytest.mark.parametrize(
    ("text", "value"), [("1", True), ("true", True), ("YES", True), ("0", False), ("False", False), ("no", False)]
)
def test_words_for_yes_and_no(text: str, value: bool) -> None:
    assert load({}, {"RUNWIRE_TEST_MODE": text}).test_mode is value


WRONG: list[tuple[dict[str, Any], dict[str, str], str]] = [
    ({"max_running": "0"}, {}, "the flag --max-running: max_running"),
    ({"max_running": "many"}, {}, "the flag --max-running: max_running"),
    ({"port": "65536"}, {}, "the flag --port: port"),
    ({"heartbeat_s": "-1"}, {}, "the flag --heartbeat-s: heartbeat_s"),
    ({"heartbeat_s": "nan"}, {}, "the flag --heartbeat-s: heartbeat_s"),
    ({}, {"RUNWIRE_IDLE_TIMEOUT_S": "soon"}, "the environment variable RUNWIRE_IDLE_TIMEOUT_S: idle_timeout_s"),
    ({}, {"RUNWIRE_TEST_MODE": "maybe"}, "the environment variable RUNWIRE_TEST_MODE: test_mode"),
    ({}, {"RUNWIRE_LOG_LEVEL": "loud"}, "the environment variable RUNWIRE_LOG_LEVEL: log_level"),
    ({"config": "/absent/runwire.toml"}, {}, "cannot read the settings file /absent/runwire.toml"),
]


@pytest.mark.parametrize(("flags", "environ", "words"), WRONG, ids=[words for _, _, words in WRONG])
def test_a_wrong_value_is_refused_by_name_and_source(
    flags: dict[str, Any], environ: dict[str, str], words: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load(flags, environ)
    assert refused.value.message.startswith(words)


WRONG_FILES = [
    ("max_runing = 3", "unknown setting: max_runing"),
    ("max_running = '3x'", "max_running"),
    ("max_running =", "cannot read"),
]


@pytest.mark.parametrize(("content", "words"), WRONG_FILES)
def test_a_wrong_file_is_refused_and_named(tmp_path: Path, content: str, words: str) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(content)
    with pytest.raises(ConfigurationError) as refused:
        load({"config": str(path)}, {})
    assert words in refused.value.message
    assert str(path) in refused.value.message


def test_settings_are_frozen() -> None:
    with pytest.raises(AttributeError):
        Settings().max_running = 7  # type: ignore[misc]  # that is the point
    assert msgspec.structs.replace(Settings(), max_running=7).max_running == 7


def test_every_setting_has_help_and_every_unit_ends_its_name() -> None:
    for info in describe():
        assert info.help, info.name
        assert info.help.endswith("seconds") == info.name.endswith("_s") or info.name.endswith("_per_s"), info.name
        assert ("bytes" in info.help.split(", ")[-1]) == info.name.endswith("_bytes"), info.name
