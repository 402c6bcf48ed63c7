"""Fifteen ways in which control sockets fail, each a scenario that proves one absent.

A scenario is a function of a folder and of its scale. It returns a Finding, or fails with an
AssertionError that says what went wrong. `tests/test_failure_modes.py` runs all fifteen at a scale
that takes seconds, `python -m tests.soak` at full scale.
"""
