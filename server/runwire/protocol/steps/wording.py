"""The ways of saying the same: classes of phrases that patterns name as ``@is``, ``@verify`` and so on. Floor 2; pure.

Testers write "is", "should be" and "to be" for the same thing. A class stands wherever a pattern has its name; the
first phrase of each is what error messages show.
"""

from __future__ import annotations

from collections.abc import Mapping

_NOT = ("does not", "doesn't", "do not", "don't", "should not", "shouldn't", "must not", "mustn't", "not to", "to not")


def _said(*verbs: str) -> tuple[str, ...]:
    """Return the affirmative forms of verbs given in the third person: shows, show, should show, to show."""
    plain = [_plain(verb) for verb in verbs]
    return (*verbs, *plain, *(f"{aux} {verb}" for aux in ("should", "must", "to") for verb in plain))


def _denied(*verbs: str) -> tuple[str, ...]:
    """Return the negative ones: does not show, should not show, …"""
    return tuple(f"{aux} {_plain(verb)}" for aux in _NOT for verb in verbs)


def _states(be: tuple[str, ...], *states: str) -> tuple[str, ...]:
    """Return what can be said of a state: is visible, should be visible, …"""
    return tuple(f"{one} {state}" for one in be for state in states)


def _plain(verb: str) -> str:
    first, _, rest = verb.partition(" ")
    stem = {"goes": "go", "vanishes": "vanish", "finishes": "finish", "has": "have"}.get(first, first.removesuffix("s"))
    return f"{stem} {rest}" if rest else stem


_SHOWN = ("visible", "shown", "displayed", "present")
_VERIFY = ("verify", "assert", "ensure", "expect", "confirm", "validate", "make sure")
_BE = ("is", "are", "be", "should be", "must be", "to be", "has to be", "was", "has been", "should have been")
_NOT_BE = (
    "is not", "isn't", "are not", "aren't", "should not be", "shouldn't be", "must not be", "mustn't be", "not to be",
    "to not be", "is no longer", "should no longer be", "was not", "has not been",
)  # fmt: skip

WORDING: Mapping[str, tuple[str, ...]] = {
    "verify": (*_VERIFY, *(f"{verb} that" for verb in _VERIFY), "check that", "check if", "check whether"),
    "affirm": (*_VERIFY, *(f"{verb} that" for verb in _VERIFY), "check", "check that", "check if", "check whether"),
    "is": (*_BE, *_said("equals"), "equal to", "is equal to", "should be equal to", "to be equal to"),
    "is_not": (*_NOT_BE, *_denied("equals")),
    "contains": _said("contains", "includes"),
    "lacks": _denied("contains", "includes"),
    "shows": _said("shows", "displays", "contains", "has", "says", "includes"),
    "hides": _denied("shows", "displays", "contains", "has", "says", "includes"),
    "has": _said("has"),
    "appears": (*_said("appears", "exists"), *_states(_BE, *_SHOWN)),
    "vanishes": (
        *_said("disappears", "vanishes", "goes away"),
        *_denied("appears", "exists"),
        *_states(_NOT_BE, *_SHOWN, "there"),
        *_states(_BE, "hidden", "invisible", "gone"),
    ),
    "see": ("see", "should see", "must see", "can see"),
    "not_see": ("should not see", "shouldn't see", "must not see", "do not see", "don't see", "cannot see"),
    "ended": (
        *_said("finishes", "ends", "completes"),
        *_states((*_BE, "has"), "complete", "completed", "finished", "ended", "done"),
    ),
    "downloaded": _states(_BE, "downloaded"),
}  # fmt: skip
"""Every class by its name."""
