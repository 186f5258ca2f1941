# pyright: reportMissingImports=false
"""The reference's work in DuckDB's SQL. DuckDB is no dependency: `pip install duckdb`."""

from pathlib import Path

from tasks.frames.spec import Work

STATISTICS = {"mean": "avg", "min": "min", "max": "max", "std": "stddev_samp"}
ROLLING = {"mean": "avg({0})", "std": "stddev_samp({0})", "q90": "quantile_cont({0}, 0.9)"}


def run(work: Work, source: Path, out: Path) -> None:
    """Write `out/features.parquet` and `out/daily.parquet`."""
    import duckdb

    out.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as database:
        database.execute(f"SET temp_directory = '{out / 'spill'}'")
        for statement in (*statements(work, source), *written(work, out)):
            database.execute(statement)


def statements(work: Work, source: Path) -> list[str]:
    """Return what makes the tables `clean` and `grid`."""
    ranged = ", ".join(
        f"CASE WHEN {c.name} BETWEEN {c.low} AND {c.high} "
        f"THEN ({c.name} + {c.offset}) * {c.scale!r} END AS {c.named}"
        for c in work.columns
    )
    filled = ", ".join(f"last_value({name} IGNORE NULLS) OVER gap AS {name}" for name in work.names)
    raw = ", ".join(column.name for column in work.columns)
    return [
        f"""CREATE TEMP TABLE clean AS
        WITH firsts AS (
            SELECT {work.key} AS key, strptime({work.time}, '{work.time_format}') AS time, {raw}
            FROM read_parquet('{source}', file_row_number = true)
            QUALIFY row_number() OVER (
                PARTITION BY {work.key}, {work.time} ORDER BY file_row_number) = 1
        ), ranged AS (SELECT key, time, {ranged} FROM firsts)
        SELECT key, time, {filled} FROM ranged WINDOW gap AS (PARTITION BY key ORDER BY time
            ROWS BETWEEN {work.fill_rows} PRECEDING AND CURRENT ROW)""",
        f"""CREATE TEMP TABLE grid AS
        SELECT key, time_bucket(INTERVAL '{work.grid_s} seconds', time) AS step, {_bins(work)}
        FROM clean GROUP BY ALL""",
    ]


def written(work: Work, out: Path) -> list[str]:
    """Return what writes the results, ordered."""
    rolled = [
        f"{ROLLING[statistic].format(f'{name}_mean')} OVER w{k} AS {name}_{window}_{statistic}"
        for window, k in work.windows.items()
        for statistic in work.rolling
        for name in work.names
    ]
    lagged = [
        f"lag({name}_mean, {lag}) OVER w1 AS {name}_lag{lag}"
        for lag in work.lags
        for name in work.names
    ]
    windows = [
        f"w{k} AS (PARTITION BY key ORDER BY step ROWS BETWEEN {k - 1} PRECEDING AND CURRENT ROW)"
        for k in {1, *work.windows.values()}
    ]
    own = [name for name in work.features if name.startswith(tuple(f"{n}_" for n in work.names))]
    chosen = ", ".join(f'"{name}"' for name in own)
    rolled = [part.replace(" AS ", ' AS "', 1) + '"' for part in (*rolled, *lagged)]
    features = f"""SELECT key AS {work.key}, step AS {work.time}, {chosen} FROM (
        SELECT *, {", ".join(rolled)} FROM grid WINDOW {", ".join(windows)}) ORDER BY key, step"""
    daily = f"""SELECT key AS {work.key}, date_trunc('day', time)::TIMESTAMP AS {work.time},
        {_bins(work)} FROM clean GROUP BY ALL ORDER BY 1, 2"""
    return [
        f"COPY ({query}) TO '{out / name}.parquet' (FORMAT parquet, COMPRESSION snappy)"
        for name, query in (("features", features), ("daily", daily))
    ]


def _bins(work: Work) -> str:
    return ", ".join(
        f"{STATISTICS[statistic]}({name}) AS {name}_{statistic}"
        for name in work.names
        for statistic in work.statistics
    )
