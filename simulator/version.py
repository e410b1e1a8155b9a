"""The version of Lethe, as in ``pyproject.toml``: told without asking an installer, since the program also runs from a checkout."""

__version__ = "0.1.0"
