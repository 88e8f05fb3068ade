"""A log-log plot as SVG text, without a plotting library: panels side by side, one line a series. Pure.

Only what docs/performance.md needs: decades as grid lines, points with lines between them, a legend. It serves light
and dark pages by drawing on a white ground of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10
from typing import Final

Points = Sequence[tuple[float, float]]

_WIDTH: Final = 400
_HEIGHT: Final = 300
_LEFT: Final = 64
_RIGHT: Final = 24
_TOP: Final = 46
_BOTTOM: Final = 62
_COLOURS: Final = {"bare": "#8a8a8a", "runwire": "#0b6e99"}
_OTHER_COLOUR: Final = "#c2410c"


@dataclass(frozen=True, slots=True)
class Panel:
    """One plot: ``series`` by name, all values above zero."""

    title: str
    x_name: str
    y_name: str
    series: Mapping[str, Points]


class _Scale:
    """Maps values to pixels over whole decades."""

    def __init__(self, values: Sequence[float], start: float, length: float) -> None:
        self.low = floor(log10(min(values)))
        self.high = max(ceil(log10(max(values))), self.low + 1)
        self._start, self._length = start, length

    def at(self, value: float) -> float:
        """Return the pixel of ``value``."""
        return self._start + self._length * (log10(value) - self.low) / (self.high - self.low)

    @property
    def decades(self) -> list[float]:
        """The powers of ten that the scale spans."""
        return [10.0**exponent for exponent in range(self.low, self.high + 1)]


def draw(panels: Sequence[Panel], columns: int = 2) -> str:
    """Return one SVG document with all panels."""
    rows = ceil(len(panels) / columns)
    width, height = columns * _WIDTH, rows * _HEIGHT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="11">',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
    ]
    for index, panel in enumerate(panels):
        x, y = index % columns * _WIDTH, index // columns * _HEIGHT
        parts += [f'<g transform="translate({x} {y})">', *_panel(panel), "</g>"]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _panel(panel: Panel) -> Iterator[str]:
    points = [point for series in panel.series.values() for point in series]
    across = _Scale([x for x, _ in points], _LEFT, _WIDTH - _LEFT - _RIGHT)
    up = _Scale([y for _, y in points], _HEIGHT - _BOTTOM, _TOP + _BOTTOM - _HEIGHT)
    yield f'<text x="{_LEFT}" y="18" font-size="13" font-weight="bold">{escape(panel.title)}</text>'
    yield from _grid(across, up)
    yield f'<text x="{_LEFT}" y="{_HEIGHT - 30}">{escape(panel.x_name)}</text>'
    yield f'<text x="{_LEFT}" y="36">{escape(panel.y_name)}</text>'
    for number, (name, series) in enumerate(panel.series.items()):
        x, colour = _LEFT + number * 100, _COLOURS.get(name, _OTHER_COLOUR)
        yield from _line(series, across, up, colour)
        yield f'<circle cx="{x + 4}" cy="{_HEIGHT - 14}" r="4" fill="{colour}"/>'
        yield f'<text x="{x + 12}" y="{_HEIGHT - 10}">{escape(name)}</text>'


def _grid(across: _Scale, up: _Scale) -> Iterator[str]:
    left, right, top, bottom = _LEFT, _WIDTH - _RIGHT, _TOP, _HEIGHT - _BOTTOM
    for value in across.decades:
        x = across.at(value)
        yield f'<path d="M{x:.1f} {top}V{bottom}" stroke="#ddd"/>'
        yield f'<text x="{x:.1f}" y="{bottom + 14}" text-anchor="middle">{_tick(value)}</text>'
    for value in up.decades:
        y = up.at(value)
        yield f'<path d="M{left} {y:.1f}H{right}" stroke="#ddd"/>'
        yield f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{_tick(value)}</text>'


def _tick(value: float) -> str:
    return f"{value / 1e6:g} M" if value >= 1e6 else f"{value:,g}"


def _line(series: Points, across: _Scale, up: _Scale, colour: str) -> Iterator[str]:
    spots = [(across.at(x), up.at(y)) for x, y in series]
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in spots)
    yield f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
    for x, y in spots:
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>'
