"""What stopped a run, in words that a user can act on."""

import errno
import os
import shutil
import traceback
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from tasks.core import temporary
from tasks.core.errors import TemperError
from tasks.core.home import home, project, subfolder

FULL = (os.strerror(errno.ENOSPC), os.strerror(errno.EDQUOT), "disk is full")  # SQLite's words
REFUSED = (errno.EROFS, errno.EACCES, errno.EPERM)
LEAST_FREE = 1_000_000  # bytes: with less, whatever failed did so for want of space
AGAIN = "What finished is kept: run again, and it goes on from there."


def told(error: BaseException) -> TemperError:
    """Return Temper's own error behind a failure, else one that says what to do about it."""
    errors = list(_chain(error))
    own = next((found for found in errors if isinstance(found, TemperError)), None)
    full = _full_disk(errors)
    if own and (own.exit_code != 1 or not full):
        return own
    if full:
        return TemperError(
            f"no space left on the disk of {full}: {_free(full) / 1e6:.1f} MB free. Free some "
            f"(`temper gc`), or set TEMPER_HOME to a folder of another disk. {AGAIN}"
        )
    for found in errors:
        if isinstance(found, OSError) and found.errno in REFUSED and found.filename:
            return TemperError(
                f"{found.filename}: cannot be written: {found.strerror}. Make it writable. {AGAIN}"
            )
        if _of_transport(found):
            return TemperError(
                f"Prefect's server at {os.environ.get('PREFECT_API_URL')} has stopped answering: "
                f"{type(found).__name__}: {found}. {AGAIN}"
            )
    return _logged(error)


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__


def _full_disk(errors: list[BaseException]) -> Path | None:
    """Return the folder whose disk is full, if one is, or was when the errors arose."""
    fullest = min((home(), project()), key=_free)
    said = any(words in str(error) for error in errors for words in FULL)
    return fullest if said or _free(fullest) < LEAST_FREE else None


def _free(folder: Path) -> int:
    return shutil.disk_usage(folder).free


def _of_transport(error: BaseException) -> bool:
    return any(
        kind.__module__.startswith("httpx") and kind.__name__ == "TransportError"
        for kind in type(error).__mro__
    )


def _logged(error: BaseException) -> TemperError:
    """Return an error that names the log of the traceback."""
    text = str(error).strip().splitlines() or [""]
    words = f"{type(error).__name__}: {text[0]}"
    with suppress(OSError):
        log = subfolder("logs") / "last-failure.log"
        temporary.write(log, "".join(traceback.format_exception(error)))
        words += f"\nThe whole of it: {log}"
    return TemperError(words)
