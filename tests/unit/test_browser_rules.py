"""The pure rules of the browser room: health, circuit breaker, where a run may go, what is nearest, what to launch."""

from __future__ import annotations

import os
from ipaddress import ip_address
from pathlib import Path

import pytest

from runwire.browser.breaker import FAILURES, OPEN_S, WINDOW_S, CircuitBreaker
from runwire.browser.capacity import Room, why_full
from runwire.browser.egress_policy import check_page_address, host_and_port, policy_of
from runwire.browser.executable import find_executable, why_unavailable
from runwire.browser.health import TRANSITIONS, Health, Sign, observe
from runwire.browser.nearest import Seen, nearest
from runwire.browser.settings import BrowserHostSettings
from runwire.errors import BrowserError, ConfigurationError, IllegalTransition


def test_silent_browser_gets_one_more_chance() -> None:
    assert observe(Health.HEALTHY, Sign.SILENT) is Health.SUSPECT
    assert observe(Health.SUSPECT, Sign.ANSWERED) is Health.HEALTHY
    assert observe(Health.SUSPECT, Sign.SILENT) is Health.BAD


def test_every_health_in_the_pool_knows_every_sign_but_cleaned() -> None:
    for health in (Health.HEALTHY, Health.SUSPECT, Health.DRAINING):
        for sign in Sign:
            if sign is Sign.CLEANED:
                with pytest.raises(IllegalTransition):
                    observe(health, sign)
            else:
                assert (health, sign) in TRANSITIONS


def test_browser_out_of_the_pool_stays_out() -> None:
    for sign in Sign:
        assert observe(Health.RETIRED, sign) is Health.RETIRED
        assert observe(Health.BAD, sign) is (Health.RETIRED if sign is Sign.CLEANED else Health.BAD)


def test_breaker_opens_after_five_failures_and_lets_one_trial_through() -> None:
    breaker = CircuitBreaker()
    for second in range(FAILURES):
        assert breaker.wait_s(float(second)) == 0
        breaker.failed(float(second))
    last = float(FAILURES - 1)
    assert breaker.wait_s(last + 1) == OPEN_S - 1
    assert breaker.wait_s(last + OPEN_S) == 0
    assert breaker.state.value == "trial"
    assert breaker.wait_s(last + OPEN_S) == OPEN_S  # the others wait for the trial
    breaker.failed(last + OPEN_S)
    assert breaker.wait_s(last + OPEN_S + 1) == OPEN_S - 1
    assert breaker.wait_s(last + 2 * OPEN_S) == 0
    breaker.succeeded()
    assert breaker.wait_s(last + 2 * OPEN_S) == 0


def test_breaker_forgets_failures_that_are_far_apart() -> None:
    breaker = CircuitBreaker()
    for number in range(20):
        breaker.failed(number * (WINDOW_S / 4 + 1))
    assert breaker.state.value == "closed"


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
        "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
        "2002:7f00:1::", "64:ff9b::7f00:1",
    ],
)  # fmt: skip
def test_what_is_not_public_is_denied(address: str) -> None:
    assert policy_of((), None).may_connect("example.org", 80, ip_address(address)) is not None


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"])
def test_what_is_public_is_allowed(address: str) -> None:
    assert policy_of((), None).may_connect("example.org", 443, ip_address(address)) is None


def test_only_the_sample_origin_is_allowed_on_loopback() -> None:
    policy = policy_of((), "http://127.0.0.1:8700")
    local = ip_address("127.0.0.1")
    assert policy.may_connect("127.0.0.1", 8700, local) is None
    assert policy.may_connect("127.0.0.1", 8701, local) is not None
    assert policy.may_connect("localhost", 8700, local) is not None


def test_setting_allows_hosts_patterns_and_networks() -> None:
    policy = policy_of(("intranet.test", "*.corp.test", "10.0.0.0/8", "[fd00::1]"), None)
    ten, other = ip_address("10.1.1.1"), ip_address("192.168.1.1")
    assert policy.may_connect("anything.test", 80, ten) is None
    assert policy.may_connect("intranet.test", 80, other) is None
    assert policy.may_connect("a.corp.test", 80, other) is None
    assert policy.may_connect("corp.test", 80, other) is not None
    assert policy.may_connect("x.test", 80, ip_address("fd00::1")) is None


def test_wrong_network_in_the_setting_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"10\.0\.0\.0/99"):
        policy_of(("10.0.0.0/99",), None)


def test_configuration_can_only_narrow() -> None:
    policy = policy_of((), None, ("shop.test", "*.shop.test"))
    assert policy.may_name("www.shop.test", 443) is None
    assert policy.may_name("evil.test", 443) is not None
    assert policy.may_connect("shop.test", 80, ip_address("10.0.0.1")) is not None


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "javascript:alert(1)", "data:text/html,x", "chrome://gpu", "x", ""]
)
def test_other_schemes_may_not_be_opened(url: str) -> None:
    with pytest.raises(BrowserError, match="may not be opened"):
        check_page_address(url)


def test_address_is_read_like_a_browser_reads_it() -> None:
    assert host_and_port("HTTP://Example.ORG./x") == ("example.org", 80)
    assert host_and_port("https://[::1]:8443/") == ("::1", 8443)
    with pytest.raises(BrowserError, match="is no address"):
        host_and_port("http://a:99999/")


def test_nearest_is_what_reads_most_alike() -> None:
    seen = [Seen("link", "Home"), Seen("button", "Add to cart"), Seen("text", "Add to carts")]
    assert str(nearest("Ad to kart", seen)) == 'button "Add to cart"'
    assert nearest("zzz", seen) is None


def test_executable_setting_comes_first_and_is_named_when_wrong(tmp_path: Path) -> None:
    program = tmp_path / "chromium"
    assert find_executable(str(program)) is None
    assert "chromium" in (why_unavailable(str(program)) or "")
    program.write_text("#!/bin/sh\n")
    assert find_executable(str(program)) is None
    os.chmod(program, 0o755)
    assert find_executable(str(program)) == program
    assert why_unavailable(str(program)) is None


def test_run_stays_queued_while_the_machine_is_full() -> None:
    assert why_full(Room(10**9, 1000), 3 * 10**8, 128) is None
    assert why_full(Room(None, None), 3 * 10**8, 128) is None
    memory = why_full(Room(10**8, 1000), 3 * 10**8, 128)
    assert memory == "100 MB of memory are free, a browser run needs 300 MB in reserve"
    assert "100 file descriptors are free" in (why_full(Room(10**9, 100), 3 * 10**8, 128) or "")


def test_five_runs_at_most_share_a_browser() -> None:
    assert [BrowserHostSettings(slots=slots).browsers for slots in (1, 5, 6, 20)] == [1, 1, 2, 4]
    assert BrowserHostSettings(slots=3, isolation="browser").browsers == 3
