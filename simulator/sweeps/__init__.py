"""Many runs of one scenario: every combination of varied values with every seed, and one table of the results."""
