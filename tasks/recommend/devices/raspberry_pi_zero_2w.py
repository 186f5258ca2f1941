"""Raspberry Pi Zero 2 W: four Cortex-A53 of 1.0 GHz and 512 MiB. Nobody published its HPL figure.
Figures: published.json names their sources."""

CORES = 4
MEMORY_MIB = 512
HPL_GFLOPS: float | None = None
IDLE_W, LOAD_W = 0.6, 2.1
BOARD = "Raspberry Pi Zero 2"  # how its device tree begins
