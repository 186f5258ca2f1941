"""Raspberry Pi 5: four Cortex-A76 of 2.4 GHz. There are boards of 1 to 16 GiB; 4 GiB is taken.
Figures: published.json names their sources."""

CORES = 4
MEMORY_MIB = 4096
HPL_GFLOPS: float | None = 35.2
IDLE_W, LOAD_W = 3.3, 12.7
BOARD = "Raspberry Pi 5"  # how its device tree begins
