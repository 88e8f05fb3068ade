"""When a waiting run starts: only from measured times, by the slots that do the work."""

from __future__ import annotations

import pytest

from runwire.runs.forecast import MEASURED, REMEMBERED, Forecast
from runwire.runs.limits import RunningLimits


def _forecast(*, total: int = 4, per_agent: dict[str, int] | None = None, **took_s: float) -> Forecast:
    forecast = Forecast(RunningLimits(total, 0, per_agent or {}))
    for agent, seconds in took_s.items():
        for _ in range(MEASURED):
            forecast.note(agent, round(seconds * 1000))
    return forecast


def _eta(forecast: Forecast, agent: str, **ahead: int) -> float | None:
    return forecast.eta_s(agent, ahead, forecast.measured())


def test_the_work_ahead_is_shared_by_the_slots() -> None:
    forecast = _forecast(chat=2.0, test=8.0)
    assert _eta(forecast, "chat") == pytest.approx(0.5)
    assert _eta(forecast, "chat", chat=3, test=1) == pytest.approx((3 * 2 + 8 + 2) / 4)


def test_an_agents_own_slots_may_be_the_narrower_way() -> None:
    forecast = _forecast(chat=2.0, test=8.0, per_agent={"test": 1})
    assert _eta(forecast, "test", test=2, chat=1) == pytest.approx(24.0)
    assert _eta(forecast, "test", test=0, chat=100) == pytest.approx((200 + 8) / 4)


def test_nothing_is_guessed() -> None:
    forecast = _forecast(chat=2.0)
    forecast.note("test", 1_000)
    assert _eta(forecast, "test") is None, "measured too seldom"
    assert _eta(forecast, "chat", test=1) is None, "nobody knows how long what is ahead takes"
    assert _eta(forecast, "chat", test=0) is not None


def test_one_run_that_hung_says_nothing_and_the_past_is_forgotten() -> None:
    forecast = _forecast(chat=2.0)
    forecast.note("chat", 86_400_000)
    assert forecast.measured()["chat"] == pytest.approx(2.0)
    for _ in range(REMEMBERED):
        forecast.note("chat", 500)
    assert forecast.measured()["chat"] == pytest.approx(0.5)
