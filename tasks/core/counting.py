"""Numbers with the words that they count."""


def counted(number: int, one: str, many: str = "") -> str:
    """Return a number with its noun: `1 layer`, `2,048 layers`; `many`: where it is not `one`s."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"
