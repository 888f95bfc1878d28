"""Decisions without I/O, clock or environment: the same input always gives the same answer."""
