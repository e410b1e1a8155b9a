"""Many runs of one scenario: every choice of varied keys under every seed, and one table of what came of them."""
