"""The mutation harness: after a change exactly the tasks that it reaches run, and none is stale.

.venv/bin/python -m benchmarks.staleness
"""
