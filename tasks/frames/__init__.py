"""Data frames of time series: windows of a table, and the whole of clean and features at once."""
