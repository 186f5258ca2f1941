"""Temper's errors: each says where, what was expected, what was found and what to do.

`exit_code` is what the command line ends with: 2 the user's input is wrong, 3 a constraint cannot
be met, 1 anything else.
"""

OUT_OF_MEMORY = (  # the words of libraries whose error is of no kind of its own
    "out of memory",
    "bad allocation",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "can't allocate memory",  # torch on a CPU
)


class TemperError(Exception):
    """The base of every error that Temper raises on purpose; shown without a traceback."""

    exit_code = 1


class ParamsError(TemperError):
    """One or more parameters are wrong; the message lists them all, each with its path."""

    exit_code = 2


class DataError(TemperError):
    """The user's data cannot be used as it is."""

    exit_code = 2


class NothingObtained(DataError):
    """A dataset's own source gave nothing; who knows the workload says what to do."""


class ConstraintError(TemperError):
    """No variant meets the constraints of `recommend`."""

    exit_code = 3


class EngineUnavailable(TemperError):
    """An optional part (engine, device, package) was demanded and is not here."""


class StoreError(TemperError):
    """An artefact of the store is missing or does not match its digest."""


class StoreBusy(TemperError):
    """Runs use the store, which was wanted alone."""


class TimeLimitExceeded(TemperError):
    """A piece of work ran past its time limit and was ended."""


class TransientError(TemperError):
    """Something that may go through when tried again: device memory, I/O, a lost server."""


class Crashed(TransientError):
    """A library ended the process that it worked in."""


class OutOfMemory(TransientError):
    """The work did not fit into memory; in smaller pieces it may."""


class ParityError(TemperError):
    """An exported graph does not give what the original gives."""


def out_of_memory(error: BaseException) -> bool:
    """Return whether an allocation failed, of whatever library."""
    said = f"{type(error).__name__}: {error}"
    return isinstance(error, OutOfMemory | MemoryError) or any(w in said for w in OUT_OF_MEMORY)


def transient(error: BaseException) -> bool:
    """Return whether work may go through when it is tried again, or in smaller pieces."""
    return isinstance(error, TransientError | OSError) or out_of_memory(error)
