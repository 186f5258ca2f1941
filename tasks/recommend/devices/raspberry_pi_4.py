"""Raspberry Pi 4 Model B: four Cortex-A72 of 1.8 GHz. There are boards of 1 to 8 GiB; 4 GiB is
taken. Figures: published.json names their sources."""

CORES = 4
MEMORY_MIB = 4096
HPL_GFLOPS: float | None = 11.9
IDLE_W, LOAD_W = 2.5, 7.2
BOARD = "Raspberry Pi 4"  # how its device tree begins
