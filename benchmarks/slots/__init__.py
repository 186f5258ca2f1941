"""Slots under kills; see `__main__`."""
