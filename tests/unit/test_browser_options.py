"""Browser configurations: what they may say, and what a context is created with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from runwire.agents.browser_test.configuration import browser_config
from runwire.browser.secrets import HttpSecret, read_secrets
from runwire.contracts.browser import BrowserConfig
from runwire.errors import ConfigurationError, InvalidInput
from runwire.protocol.browser_options import BrowserOptions, overlaid, parse_options
from runwire.protocol.devices import DEVICES
from runwire.protocol.saved_tests import run_input

STATE = {"cookies": [{"name": "session", "value": "s3cret", "domain": "a.test"}], "origins": []}


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"locale": "german"}, 'browser.locale: "german" is no locale'),
        ({"timezone": "Europe/Atlantis"}, 'browser.timezone: "Europe/Atlantis" is no time zone'),
        ({"timezone": "../../etc/passwd"}, "is no time zone"),
        ({"device": "Abacus"}, "known are Desktop"),
        ({"allow": ["http://a.test/"]}, "is no host"),
        ({"allow": ["*"]}, "is no host"),
        ({"http_auth": "Not A Name"}, "http_auth"),
        ({"color_scheme": "blue"}, "color_scheme"),
        ({"args": ["--no-sandbox"]}, "args"),
        ({"storage_state": {"cookies": [{"name": "a"}]}}, "value"),
        ({"storage_state": {"cookies": [{**STATE["cookies"][0], "value": "x" * 70_000}]}}, "larger than 65536 bytes"),
        ("wide", "Expected `object`"),
    ],
)
def test_a_configuration_is_refused_with_its_member(options: Any, complaint: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_options(options)
    assert complaint in refused.value.message


def test_every_device_makes_a_context() -> None:
    for name, device in DEVICES.items():
        made = browser_config(parse_options({"device": name}))
        assert (made.width, made.height, made.scale) == (device.width, device.height, device.scale)


def test_what_a_configuration_says_counts_before_its_device() -> None:
    options = parse_options({"device": "iPhone 15", "viewport": {"width": 500, "height": 600}, "user_agent": "mine"})
    made = browser_config(options)
    assert (made.width, made.height, made.user_agent, made.touch) == (500, 600, "mine", True)
    assert browser_config(BrowserOptions()) == BrowserConfig()


def test_a_configuration_counts_before_the_tests_own_browser() -> None:
    own = {"viewport": {"width": 800, "height": 600}, "locale": "de-DE"}
    made = run_input({"steps": ["Take screenshot"], "browser": own}, parse_options({"device": "Pixel 8"}), None)
    assert made["browser"] == {"device": "Pixel 8", "locale": "de-DE"}
    assert overlaid(parse_options(own), BrowserOptions()) == parse_options(own)


def test_a_storage_state_is_told_to_the_context_alone() -> None:
    options = parse_options({"storage_state": STATE, "locale": "de-DE"})
    assert options.told == {"locale": "de-DE"}
    assert "s3cret" in str(browser_config(options).storage_state)


def test_secrets_are_read_from_a_file_that_nobody_else_may_read(tmp_path: Path) -> None:
    file = tmp_path / "secrets.toml"
    file.write_text('[staging]\nusername = "u"\npassword = "p"\norigin = "https://a.test"\n', encoding="utf-8")
    file.chmod(0o600)
    (found,) = read_secrets(str(file)).values()
    assert found == HttpSecret("u", "p", "https://a.test")
    assert "'p'" not in repr(found)
    file.chmod(0o644)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        read_secrets(str(file))


@pytest.mark.parametrize("table", ['username = "u"', 'username = "u"\npassword = "p"\norigin = "a.test"', "x = 1"])
def test_an_incomplete_secret_is_refused(tmp_path: Path, table: str) -> None:
    file = tmp_path / "secrets.toml"
    file.write_text(f"[staging]\n{table}\n", encoding="utf-8")
    file.chmod(0o600)
    with pytest.raises(ConfigurationError, match="staging"):
        read_secrets(str(file))


def test_options_are_saved_as_they_are_written() -> None:
    options = {"device": "Desktop", "allow": ["*.example.org"]}
    assert msgspec.json.decode(msgspec.json.encode(parse_options(options))) == options
