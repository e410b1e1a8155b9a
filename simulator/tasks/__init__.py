"""The tasks and federation kinds; ``<task>/<kind>/federation.py`` implements one cell."""
