"""The stress tests use the servers of the fault tests."""

from __future__ import annotations

from tests.faults.conftest import chance, new_server, pytest_generate_tests, template, zygote

__all__ = ["chance", "new_server", "pytest_generate_tests", "template", "zygote"]
