"""When a schedule fires, daylight saving included: Debian cron's rules, in Europe/Berlin of 2026."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from runwire.errors import InvalidInput
from runwire.ids import is_client_run_id
from runwire.protocol.commands import StartRun
from runwire.protocol.schedules import AddSchedule, check_schedule, firing_run_id, next_firing, next_firings

BERLIN = "Europe/Berlin"


def ms(text: str, zone: str = BERLIN) -> int:
    """Return a local time, such as ``2026-03-28 12:00``, as Unix milliseconds."""
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


def firings(cron: str, after: str, count: int, zone: str = BERLIN) -> list[str]:
    """Return the next firings in UTC."""
    found = next_firings(cron, zone, ms(after, zone), count)
    return [f"{datetime.fromtimestamp(one / 1000, UTC):%m-%d %H:%M}" for one in found]


def test_a_firing_lies_behind_the_given_moment_never_on_it() -> None:
    noon = ms("2026-01-01 12:00", "UTC")
    assert next_firing("0 12 * * *", "UTC", noon) == noon + 86_400_000
    assert next_firing("0 12 * * *", "UTC", noon - 1) == noon


def test_working_days_in_a_time_zone() -> None:
    assert firings("0 7 * * MON-FRI", "2026-01-02 12:00", 2) == ["01-05 06:00", "01-06 06:00"]


def test_the_hour_that_is_left_out_is_made_up_for_at_its_end() -> None:
    """02:30 does not exist on 29 March: it fires at 03:00 summer time, and at 02:30 again the next day."""
    assert firings("30 2 * * *", "2026-03-28 12:00", 2) == ["03-29 01:00", "03-30 00:30"]


def test_the_hour_that_comes_twice_fires_once() -> None:
    """02:30 exists twice on 25 October: it fires the first time."""
    assert firings("30 2 * * *", "2026-10-24 12:00", 2) == ["10-25 00:30", "10-26 01:30"]


def test_every_half_hour_goes_by_the_time_that_passes() -> None:
    expected = ["10-25 00:00", "10-25 00:30", "10-25 01:00", "10-25 01:30"]
    assert firings("*/30 * * * *", "2026-10-25 01:45", 4) == expected


@pytest.mark.parametrize(
    ("cron", "zone"),
    [
        ("* * * * * *", "UTC"),
        ("@daily   x y z w", "UTC"),
        ("61 * * * *", "UTC"),
        ("0 0 30 2 *", "UTC"),
        ("0 0 * * *", "Middle/Earth"),
        ("0 0 * * *", "../../etc/passwd"),
        ("0 0 * * *", "/etc/passwd"),
        ("0 0 * * *", ""),
    ],
)
def test_what_is_no_schedule_is_refused(cron: str, zone: str) -> None:
    with pytest.raises(InvalidInput):
        check_schedule(AddSchedule(name="x", cron=cron, time_zone=zone, run=StartRun(agent="echo")))


def test_the_id_of_a_firing_is_that_firings_alone() -> None:
    one = firing_run_id("s1", 1_000)
    assert one == firing_run_id("s1", 1_000)
    assert len({one, firing_run_id("s1", 2_000), firing_run_id("s2", 1_000)}) == 3
    assert is_client_run_id(one)
