"""What goes wrong between here and a web service; each says what to do about it."""

from tasks.core.errors import DataError, ParamsError, TransientError


class CredentialsError(ParamsError):
    """A token is missing, or the service refuses it."""


class ServiceError(TransientError):
    """The service did not answer soundly within the tries and the time that it had."""


class AnswerError(DataError):
    """The service answered something that is not what its interface promises."""


class PagingError(AnswerError):
    """Its pages lead in a circle, or do not end."""
