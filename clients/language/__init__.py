"""Small causal language models, the worlds that they are trained on, and what is measured of them."""
