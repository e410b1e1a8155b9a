"""Fills that hide a cut: values for the entries that pruning removed, and the tests that a fill must pass.

A fill hides *where* something was cut, never *what*.
"""
