"""Certified removal: Newton steps, a secret perturbation, a budget (Guo, Goldstein, Hannun, van der Maaten, ICML 2020)."""
