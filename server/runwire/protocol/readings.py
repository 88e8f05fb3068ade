"""How a sentence that the grammar does not know is named, and what a model made of it. Floor 2; values only.

A sentence belongs to a test and to its place among the same sentences there: what a model made of it is remembered
under that, so that it is the same step in every later run, whatever the page shows (docs/decisions/0021).
"""

from __future__ import annotations

from typing import NamedTuple


class SentenceKey(NamedTuple):
    """One sentence of one test: ``scope`` names the test, ``occurrence`` counts the same sentence from 1."""

    scope: str
    sentence: str
    occurrence: int


class Reading(NamedTuple):
    """What a sentence means: a ``sentence`` of the step language, and the ``model`` that said so."""

    sentence: str
    model: str
