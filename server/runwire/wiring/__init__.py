"""Puts the house together: the only room that names concrete drivers. Floor 7; begin with ``core.running_core``."""
