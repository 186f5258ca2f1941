"""Simulated homes and their sleepers: what `tasks/ingest/datasets/readiness_simulated.py` writes.

`days` draws what happens by the day and what readiness comes of it, `calibration` sets the noise by
it, `sensors` draws the rows of a stretch of days, `dirt` spoils them, `writing` streams all of it.
"""
