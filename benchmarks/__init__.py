"""Scripts that measure; each prints one table and writes one JSON into benchmarks/results."""
