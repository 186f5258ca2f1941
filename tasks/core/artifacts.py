"""Artifacts: a name and the digest of a content. The content is a folder of files in the store."""

import hashlib
from pathlib import Path

from pydantic import BaseModel, ConfigDict


class Artifact(BaseModel):
    """What tasks take and return: never a data frame, never a model object.

    `name` is the path of the artifact in the view (`features/prepared`, `train/light_gbm`);
    `digest` the sha256 of the content (file names and bytes).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    digest: str

    @property
    def path(self) -> Path:
        """Return the folder in the store that holds the files, read-only and as they were put.

        Raises:
            StoreError: the content is missing or damaged: nothing of it is loaded.
        """
        from tasks.core.store import folder_of, require

        return folder_of(require(self).digest)

    def file(self, relative: str) -> Path:
        """Return the path of one file of the artifact.

        Raises:
            StoreError: the artifact has no such file.
        """
        from tasks.core.errors import StoreError

        path = self.path / relative
        if not path.exists():
            raise StoreError(f"{self.name}: no file {relative!r} in {self.path}")
        return path


Made = dict[str, Artifact]  # what a run has made so far, by name


def named(*artifacts: Artifact) -> Made:
    """Return artifacts by their names."""
    return {artifact.name: artifact for artifact in artifacts}


def under(made: Made, prefix: str) -> list[Artifact]:
    """Return the artifacts whose names begin with a prefix, in order of their making."""
    return [artifact for name, artifact in made.items() if name.startswith(f"{prefix}/")]


def file_digest(path: Path) -> str:
    """Return the sha256 of a file's bytes, as hex."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def folder_digest(folder: Path, digests: dict[str, str] | None = None) -> str:
    """Return the sha256 over the sorted relative names and digests of all files in a folder."""
    total = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        relative = path.relative_to(folder).as_posix()
        digest = file_digest(path)
        if digests is not None:
            digests[relative] = digest
        total.update(f"{relative}\0{digest}\n".encode())
    return total.hexdigest()
