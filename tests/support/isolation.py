"""The same tests against every way to execute a run."""

from __future__ import annotations

import pytest

EVERY_ISOLATION = pytest.mark.every_isolation
"""For a test, or a module's ``pytestmark``: its servers execute agents on threads, then in processes of their own."""
