"""The machine this runs on: nothing is estimated for it, its latencies are the measured ones."""
