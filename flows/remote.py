"""Copies a bundle to a device by ssh, runs it there, and brings back what it measured."""

import re
import secrets
import shutil
import subprocess
from pathlib import Path

from tasks.core.errors import EngineUnavailable, ParamsError, TemperError

# neither begins with "-", which ssh would take for an option, nor holds what a shell would act on
HOST = re.compile(r"([A-Za-z0-9_][A-Za-z0-9_.-]*@)?[A-Za-z0-9][A-Za-z0-9.-]*")
PYTHON = re.compile(r"[A-Za-z0-9_/][A-Za-z0-9_./-]*")


def measure(bundle: Path, host: str, python: str) -> Path:
    """Return the measured.json that a device wrote; the bundle is removed from it again.

    Nothing is copied before a first command has gone through. Passwords and host keys are asked for
    by ssh itself, as its configuration says.

    Args:
        host: `user@host`, or a name of ssh's configuration.
        python: the interpreter there: `python3`, or that of a virtual environment.

    Raises:
        ParamsError: the host or the interpreter is none by its form.
        EngineUnavailable: there is no ssh here.
        TemperError: one of the steps failed.
    """
    for what, text, form in (("--ssh", host, HOST), ("--python", python, PYTHON)):
        if not form.fullmatch(text):
            raise ParamsError(f"{what} {text!r}: expected the form {form.pattern}")
    for tool in ("scp", "ssh"):
        if shutil.which(tool) is None:
            raise EngineUnavailable(
                f"no `{tool}` here: write the bundle with --bundle, and copy it by other means"
            )
    folder = f"temper-bundle-{secrets.token_hex(6)}"
    measured = bundle / "measured.json"
    _run(f"start Python on {host}; nothing was copied", "ssh", "--", host, python, "--version")
    print(f"Copying the bundle to {host}, measuring there", flush=True)
    try:
        _run("copy the bundle", "scp", "-q", "-r", "--", str(bundle), f"{host}:{folder}")
        _run("measure", "ssh", "--", host, python, f"{folder}/measure.py")
        _run("bring it back", "scp", "-q", "--", f"{host}:{folder}/measured.json", str(measured))
    finally:
        removed = subprocess.run(["ssh", "--", host, "rm", "-r", folder], check=False)
        if removed.returncode:
            print(f"note: {folder} may be left on {host}: it could not be removed")
    return measured


def _run(step: str, *command: str) -> None:
    done = subprocess.run(command, check=False)
    if done.returncode:
        raise TemperError(
            f"could not {step}: `{' '.join(command)}` ended with code {done.returncode}; its words "
            "stand above"
        )
