"""Clean and features of a table of sensors, by every engine, beside pandas and DuckDB."""
