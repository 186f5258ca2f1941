"""Writes the simulated table with its truth: `python -m tasks.ingest.simulated FOLDER [PARAMS]`.

PARAMS is JSON of what differs from the defaults, such as '{"homes": 2, "seed": 3}'. FOLDER gets
readiness_simulated.parquet, truth.json, dirt.parquet and days.parquet.
"""

import json
import sys
from pathlib import Path

from pydantic import ValidationError

from tasks.ingest.simulated.params import Params
from tasks.ingest.simulated.writing import write


def main(arguments: list[str]) -> int:
    """Return the exit code: 0, or 2 where the arguments are none that can be used."""
    if len(arguments) not in (1, 2):
        print(__doc__, file=sys.stderr)
        return 2
    try:
        params = Params.model_validate_json(arguments[1] if len(arguments) == 2 else "{}")
    except ValidationError as error:
        print(error, file=sys.stderr)
        return 2
    folder = Path(arguments[0])
    folder.mkdir(parents=True, exist_ok=True)
    print(json.dumps(write(params, folder, folder), indent=1, ensure_ascii=False))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
