"""The installed versions of libraries, under the names that they ship as."""

from functools import cache
from importlib import metadata


@cache
def version(library: str) -> str:
    """Return the installed version of a distribution, under the names it ships as; `absent` if
    none.
    """
    for name in (library, f"{library}-cpu", f"{library}-gpu"):
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return "absent"
