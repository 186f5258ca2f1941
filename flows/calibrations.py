"""What `temper calibrate` measured: `devices/<device>/<workload>.json`, versioned in git."""

from pathlib import Path

from tasks.core.errors import DataError
from tasks.core.home import project
from tasks.core.plugins import names, unknown
from tasks.recommend.measured import Measured, read

FOLDER = "devices"


def files(name: str) -> list[Path]:
    """Return the files of a workload, by device."""
    return sorted((project() / FOLDER).glob(f"*/{name}.json"))


def place(device: str, name: str) -> Path:
    """Return where the figures of a device and a workload lie."""
    return project() / FOLDER / device / f"{name}.json"


def of(name: str) -> list[Measured]:
    """Return what was measured for a workload, by device.

    Raises:
        DataError: a file is not sound, or states another device or workload than its path.
    """
    found = []
    for path in files(name):
        measured, device = read(path), path.parent.name
        if device not in names("device"):
            raise DataError(f"{path}: {unknown(f'device {device!r}', device, names('device'))}")
        if (measured.device, measured.workload) != (device, name):
            raise DataError(
                f"{path}: expected the figures of {name} on a {device}, found those of "
                f"{measured.workload} on a {measured.device}"
            )
        found.append(measured)
    return found
