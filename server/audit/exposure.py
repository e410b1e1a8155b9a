"""Exposure of canaries: how far up an inserted secret ranks among others that might have been inserted.

Carlini, Liu, Erlingsson, Kos, Song, "The secret sharer", USENIX Security 2019, arXiv 1802.08232, definition 4.
"""

from __future__ import annotations

import numpy as np

from server.audit.margins import Floats


def exposures(inserted: Floats, others: Floats) -> Floats:
    """Return the exposure of every secret in every model, in bits: log2 of the number of candidates minus log2 of the secret's rank.

    A model that has not seen the secret ranks it at random, which gives about 1.44 bits on average; ties share their mean rank.

    Parameters
    ----------
    inserted : float64 array, shape (models, secrets)
        How well each model knows each secret.
    others : float64 array, shape (models, secrets, n)
        How well it knows n candidates that might have been inserted in its place.

    Returns
    -------
    float64 array, shape (models, secrets)
        In [0, log2(n + 1)].
    """
    above = (others > inserted[..., None]).sum(axis=-1)
    equal = (others == inserted[..., None]).sum(axis=-1)
    found: Floats = np.log2(others.shape[-1] + 1) - np.log2(1 + above + equal / 2)
    return found
