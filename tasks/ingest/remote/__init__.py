"""What plugins that collect from a web service share; they have ORIGIN = "collected".

Beside the protocol of a dataset plugin (tasks/ingest/datasets/__init__.py) they have:

    class Params(CollectOptions)
    WINDOW_DAYS: int
        The most days that are asked for at once.
    credentials(params) -> Credentials
        Which environment variables hold the tokens, and how a request is signed with them.
    parts(params) -> tuple[str, ...]
        What is collected one by one: endpoints, stations, devices; each a folder of data/raw.
    documents(client, params, part, first, last) -> Iterator[tuple[date | None, str, dict]]
        The documents of a window of days: the day of each (None: it states none), its moment (ISO
        8601) and itself.

The documents are kept as they came, one Parquet file a day and part (`days`); `read` flattens them.
So a change of the flattening asks the service for nothing.
"""
