"""Ingest: from where the data is to a typed table with numbered rows, and what is known of it."""
