"""Dataset plugins: one file each; where a table comes from and how it is read.

The protocol:

    ORIGIN: "bundled" | "generated" | "remote" | "file" | "collected"
    FOLDER: whether data/raw may hold several files, which are then read together (else absent)
    class Params(PluginParams)
    origin(params, source: Path | None) -> str
        The state of the origin in the world, found out at each run: the sha256 of the user's file,
        or the version of the library that bundles or makes the data. It stands for `source` in the
        cache key.
    fetch(params, source: Path | None, folder: Path) -> None
        Put the raw data into an empty folder, with bytes that depend on nothing else; as one file
        where FOLDER is absent.
    read(raw: Path, params, table: Table) -> Reading
        Return the typed table of that folder (tasks.ingest.reading.Reading).

`source` is the user's file where there is one (`ingest.path`, or what lies in data/raw), else None.
All raise DataError for what is wrong with the data. `LICENCE` is stated where it is known.
What "collected" ones have beside: tasks/ingest/remote.
"""
