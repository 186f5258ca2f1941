"""What a task says in its run's log."""

from contextlib import suppress


def warn(text: str) -> None:
    """Log a warning in the run of the task that works; nothing where a task is a plain function."""
    from prefect.exceptions import MissingContextError
    from prefect.logging import get_run_logger

    with suppress(MissingContextError):
        get_run_logger().warning("%s", text)
