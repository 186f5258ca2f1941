"""One content-addressed cache policy for every task, and the options every task shares.

The key: the task's name; its arguments by content (digests of artifacts, parameters, code and
libraries of plugins); the first-party code it reaches; the versions of the libraries it declares;
the device class. A record counts only if the store holds every output with its digest: reading it
checks that, and Prefect takes an exception there for a miss (guarded by a test). Whose record it is
is checked before, by whoever has the lock of its key (`tasks/core/records.py`).
"""

import hashlib
import json
from collections.abc import Sequence
from typing import Any, Literal

from prefect.cache_policies import CachePolicy
from prefect.context import TaskRunContext
from prefect.locking.protocol import LockManager
from prefect.serializers import Serializer
from prefect.transactions import IsolationLevel, get_transaction
from pydantic import BaseModel

from tasks.core import closure, devices, locks, progress, records, store, trace
from tasks.core.artifacts import Artifact
from tasks.core.errors import StoreError, TransientError
from tasks.core.home import subfolder
from tasks.core.libraries import version
from tasks.core.plugins import KINDS, Plugin, names

RETRIES = [1.0, 5.0]  # seconds before each
TRANSIENT = (TransientError, StoreError, OSError, MemoryError)


def cached(*libraries: str, plugins: Sequence[str] = ()) -> dict[str, Any]:
    """Return the options of a cached task that is retried after transient errors only.

    Args:
        libraries: distributions whose version matters to the task's result.
        plugins: kinds of plugins that the task uses whole (all metrics, say), beside those that it
        is
            given as arguments.
    """
    return {
        "cache_policy": Content(libraries=libraries, plugins=tuple(plugins)),
        "persist_result": True,
        "result_serializer": ArtifactSerializer(),
        "cache_result_in_memory": False,
        "retries": len(RETRIES),
        "retry_delay_seconds": RETRIES,
        "retry_condition_fn": transient,
        "on_running": [progress.task_hook("began")],
        "on_completion": [_traced, progress.task_hook("ended")],
        "on_failure": [progress.task_hook("failed")],
    }


def _traced(task: Any, run: Any, state: Any) -> None:
    label = progress.label(task.name, run.name)
    trace.end(run.id, label, state.name == "Cached", run.flow_run_id)


_traced.log_on_run = False


def transient(task: Any, run: Any, state: Any) -> bool:
    """Return whether a failed run may go through when tried again."""
    return isinstance(state.result(raise_on_failure=False), TRANSIENT)


class Content(CachePolicy):
    """Prefect's cache policy for content: see the module."""

    def __init__(self, libraries: tuple[str, ...] = (), plugins: tuple[str, ...] = ()) -> None:
        super().__init__(isolation_level=IsolationLevel.SERIALIZABLE, lock_manager=FileLocks())
        self.libraries = libraries
        self.plugins = plugins

    def compute_key(
        self,
        task_ctx: TaskRunContext,
        inputs: dict[str, Any],
        flow_parameters: dict[str, Any],
        **kwargs: Any,
    ) -> str:
        """Return the key of a task run. Arguments whose name begins with `label` do not count."""
        parts = self.parts(task_ctx.task, inputs)
        key = key_of(parts)
        trace.begin(task_ctx.task_run.id, flow_parameters.get("name"), key, parts)
        return key

    def parts(self, task: Any, inputs: dict[str, Any]) -> dict[str, Any]:
        """Return all that the key of a task run depends on."""
        used = [f"{KINDS[kind]}.{name}" for kind in self.plugins for name in names(kind)]
        return {
            "task": task.name,
            "room": task.fn.__module__.split(".")[1],
            "arguments": {
                name: content(value, name)
                for name, value in sorted(inputs.items())
                if not name.startswith("label")
            },
            "code": closure.code_of(task.fn.__module__, *used),
            "libraries": {name: version(name) for name in self.libraries},
        }


def key_of(parts: dict[str, Any]) -> str:
    """Return the cache key that these parts make."""
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
    return f"{parts['task']}-{digest}"


def content(value: Any, name: str = "") -> Any:
    """Return what a task's argument contributes to its key.

    Raises:
        TypeError: a value that cannot be keyed by content (a data frame, a path, a model object).
    """
    if isinstance(value, Artifact):
        return {"artifact": value.name, "digest": value.digest}
    if isinstance(value, Plugin):
        module = value.module
        uses = getattr(module, "uses", lambda params: [])(value.typed)
        return {
            "plugin": f"{value.kind} {value.name}",
            "params": value.typed.model_dump(mode="json"),
            "code": closure.code_of(module.__name__),
            "libraries": {name: version(name) for name in getattr(module, "LIBRARIES", ())},
        } | ({"uses": content(uses)} if uses else {})
    if isinstance(value, BaseModel):
        return {key: content(item, key) for key, item in sorted(dict(value).items())}
    if name == "device" and isinstance(value, str):
        return devices.device_class(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [content(item, name) for item in value]
    if isinstance(value, dict):
        return {str(key): content(item, str(key)) for key, item in sorted(value.items())}
    raise TypeError(f"argument {name}: {type(value).__name__} cannot be part of a cache key")


class ArtifactSerializer(Serializer):
    """Records are JSON; reading one checks that the store holds what it speaks of."""

    type: Literal["temper-artifacts"] = "temper-artifacts"

    def dumps(self, obj: Any) -> bytes:
        """Return the JSON of one artifact or several."""
        several = isinstance(obj, list | tuple)
        transaction = get_transaction()
        key = transaction.key if transaction else None  # without one it is no record of ours
        return records.dump(key or "", tuple(obj) if several else (obj,), several)

    def loads(self, blob: bytes) -> Artifact | tuple[Artifact, ...]:
        """Return the artifacts of a record.

        Raises:
            StoreError: the store lacks one of them, or it is damaged: the record is a miss.
        """
        record = json.loads(blob)
        artifacts = tuple(store.require(Artifact(**item)) for item in record["artifacts"])
        return artifacts if record["several"] else artifacts[0]


class FileLocks(LockManager):
    """Prefect's lock protocol on OS file locks: one process runs a key, the others wait for it."""

    def __init__(self) -> None:
        self._held: dict[str, tuple[str, int]] = {}

    def __deepcopy__(self, memo: dict[int, Any]) -> "FileLocks":
        return self

    def _file(self, key: str):
        return subfolder("locks", "tasks") / key

    def acquire_lock(
        self,
        key: str,
        holder: str,
        acquire_timeout: float | None = None,
        hold_timeout: float | None = None,
    ) -> bool:
        if self.is_lock_holder(key, holder):
            return True
        descriptor = locks.acquire(self._file(key), timeout_s=acquire_timeout)
        if descriptor is None:
            return False
        try:
            records.use(key)
        except BaseException:
            locks.release(descriptor)
            raise
        self._held[key] = (holder, descriptor)
        return True

    def release_lock(self, key: str, holder: str) -> None:
        if self.is_lock_holder(key, holder):
            _, descriptor = self._held.pop(key)
            try:
                records.make_private(key)
            finally:
                locks.release(descriptor, remove=self._file(key))

    def is_locked(self, key: str) -> bool:
        return not self.wait_for_lock(key, timeout=0)

    def is_lock_holder(self, key: str, holder: str) -> bool:
        return key in self._held and self._held[key][0] == holder

    def wait_for_lock(self, key: str, timeout: float | None = None) -> bool:
        descriptor = locks.acquire(self._file(key), timeout_s=timeout)
        if descriptor is None:
            return False
        locks.release(descriptor)
        return True

    async def aacquire_lock(self, *args: Any, **kwargs: Any) -> bool:
        raise NotImplementedError("tasks are synchronous")

    async def await_for_lock(self, *args: Any, **kwargs: Any) -> bool:
        raise NotImplementedError("tasks are synchronous")
