"""Version of the package; the public names follow."""

__version__ = "0.1.0"
