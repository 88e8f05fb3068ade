"""Doubles that ship: they fill the same contracts as the real parts. Floor 9; imported by no other package."""
