"""Where a fit that was killed goes on from."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tasks.core import closure
from tasks.core.cache import content
from tasks.core.home import subfolder


@contextmanager
def kept(code: str, *arguments: Any) -> Iterator[Path]:
    """Give the folder of a work's checkpoints for a block; gone once it has ended well.

    Args:
        code: the module that works: only the same code goes on.
        arguments: what else must be the same: artifacts, plugins and plain values.
    """
    parts = [content(arguments), closure.total(closure.code_of(code))]
    folder = subfolder("checkpoints") / hashlib.sha256(json.dumps(parts).encode()).hexdigest()
    yield folder
    shutil.rmtree(folder, ignore_errors=True)
