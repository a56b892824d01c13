"""What a program says when it ends."""


def complaints(errors: str) -> list[str]:
    """Return the lines on stderr, but for events that a busy machine left no time to send: these are on disk."""
    return [line for line in errors.splitlines() if not line.endswith("ended before the server had them")]
