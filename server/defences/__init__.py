"""What hides a cut: fills of the places left by pruning, and the tests a fill must pass.

A fill hides *where* something was cut, never *what*.
"""
