"""The version of Lethe, as in ``pyproject.toml``; repeated here because the program also runs from a checkout, without metadata."""

__version__ = "0.1.0"
