"""California Housing: 20,640 block groups of the 1990 US census, median house value in 100,000 USD.

Pace & Barry 1997. From the user's own file (`ingest.path`: any table file with these columns,
`row_id`
and `split` allowed), else through scikit-learn's downloader. The target is capped at 5.00001.
"""

import shutil
import socket
import warnings
from pathlib import Path
from typing import Any

import polars as pl

from tasks.core.artifacts import file_digest
from tasks.core.errors import NothingObtained
from tasks.core.home import subfolder
from tasks.core.schema import Table
from tasks.ingest.files import data_file, kind, sole_file
from tasks.ingest.options import ReadOptions
from tasks.ingest.reading import Reading, read_table

ORIGIN = "remote"
LIBRARIES = ("scikit-learn", "polars")
LICENCE = "none stated; US census, public domain"
ARCHIVE = "aaa5c9a6afe2225cc2aed2723682ae403280c4a3695a2ddda4ffb5d8215ea681"  # sha256 at figshare
TIMEOUT_S = 20


class Params(ReadOptions):
    """How a file of the user's own is read; nothing to set for the download."""


def origin(params: Params, source: Path | None) -> str:
    """Return the sha256 of the user's file, else of the archive that scikit-learn downloads."""
    return file_digest(data_file(source)) if source else f"figshare sha256 {ARCHIVE}"


def fetch(params: Params, source: Path | None, folder: Path) -> None:
    """Copy the user's file, or download and write california_housing.parquet.

    Raises:
        NothingObtained: there is neither a file nor a network.
    """
    if source:
        path = data_file(source)
        kind(path)
        shutil.copyfile(path, folder / path.name)
        return
    bunch = _download()
    columns = {name: bunch.data[:, index] for index, name in enumerate(bunch.feature_names)}
    frame = pl.DataFrame({**columns, "MedHouseVal": bunch.target})
    frame.write_parquet(folder / "california_housing.parquet")


def read(raw: Path, params: Params, table: Table) -> Reading:
    """Return the typed table."""
    path = sole_file(raw)
    own = path.name != "california_housing.parquet"
    stated = params.model_copy(update={"licence": params.licence or LICENCE})
    return read_table(path, table, stated, None if own else "scikit-learn's download (figshare)")


def _download() -> Any:
    from sklearn.datasets import fetch_california_housing

    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT_S)  # the downloader has no limit of its own
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "Retry downloading …": the error below says it
            return fetch_california_housing(
                data_home=str(subfolder("downloads")), n_retries=1, delay=0.5
            )
    except OSError as error:
        reason = str(getattr(error, "reason", error))
        raise NothingObtained(
            f"california_housing: no file is given and the download failed ({reason})"
        ) from None
    finally:
        socket.setdefaulttimeout(before)
