"""The screen under a window as an event's context tells it in `full` mode: rounded, so that few screens stand out.

screen   width and height in the toolkit's pixels, rounded to 100: the server's dimension `screen`
display  dpi, the dots per inch that texts are drawn for, rounded to 24, the step of 96, 120, 144; pixel_ratio, how
         many of the screen's dots are a pixel of the toolkit, rounded to a quarter, where it knows that
"""

from typing import Any


def display_context(width: int, height: int, dpi: float, pixel_ratio: float | None = None) -> dict[str, Any]:
    """Return the parts `screen` and `display` of a context.

    >>> display_context(2560, 1440, 109.2, 1.3)
    {'screen': {'width': 2600, 'height': 1400}, 'display': {'dpi': 120, 'pixel_ratio': 1.25}}
    """
    display: dict[str, Any] = {"dpi": round(dpi / 24) * 24}
    if pixel_ratio is not None:
        display["pixel_ratio"] = round(pixel_ratio * 4) / 4
    return {"screen": {"width": round(width, -2), "height": round(height, -2)}, "display": display}
