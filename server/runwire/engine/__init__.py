"""Execution: from a claimed run to its terminal state. Floor 5: sees contracts, names no driver."""
