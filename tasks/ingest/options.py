"""How a table file is read: everything is found out from the file unless it is stated here."""

import codecs
from typing import Literal

from pydantic import Field, field_validator

from tasks.core.plugins import PluginParams


class ReadOptions(PluginParams):
    """What to take a table file for, where the file itself is not to decide."""

    encoding: str | None = Field(
        default=None, description="utf-8, utf-16, cp1252, latin-1, cp1251, …"
    )
    delimiter: str | None = Field(default=None, min_length=1, max_length=1)
    decimal: Literal[".", ","] | None = Field(
        default=None, description="the decimal mark of all numbers"
    )
    thousands: Literal[",", ".", " ", "'"] | None = Field(
        default=None,
        description="a mark to take out of numbers; never taken out unless stated here",
    )
    header: bool | None = Field(default=None, description="whether the first line holds the names")
    missing: list[str] | None = Field(
        default=None,
        description="the marks of a missing value in every column, instead of the usual ones",
    )
    day_first: bool | None = Field(
        default=None, description="whether 4/12/2016 is the 4th of December"
    )
    type_share: float = Field(
        default=0.95,
        gt=0.5,
        le=1,
        description="share of a column's values that must be numbers (dates) for it to be numeric; "
        "the others go to quarantine",
    )
    licence: str | None = Field(default=None, description="the licence of the data, for the record")

    @field_validator("encoding")
    @classmethod
    def _known(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                return codecs.lookup(value).name
            except LookupError:
                raise ValueError(
                    f"unknown encoding {value!r}; common: utf-8, utf-16, cp1252, latin-1, cp1251"
                ) from None
        return value
