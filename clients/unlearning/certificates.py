"""Certificates: what proves a certified removal, and is proven again by ``lethe verify``."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from clients.data import Dataset
from clients.data.rows import Ids
from clients.spec import Registry, Spec


@dataclass(frozen=True)
class Evidence:
    """What a certificate is proven again from: all that a finished run keeps of the peer.

    Parameters
    ----------
    guarantee : str
        What the outcome claims: ``certified(epsilon, delta)``.
    forgotten : int64 array
        Ids of what had to be forgotten, ascending.
    main : mapping of str to array, optional
        The peer's main artefact at the end of the run, ids of its rows under ``peer/rows``; None where the peer is gone.
    data : Dataset
    """

    guarantee: str
    forgotten: Ids
    main: Mapping[str, npt.NDArray[Any]] | None
    data: Dataset


class CertificateSpec(Spec):
    """The table of a certificate; its ``kind`` names who proves it again. An outcome carries it as plain values.

    >>> class Residual(CertificateSpec):
    ...     kind: Literal["residual"] = "residual"
    ...     bound: NonNegativeFloat
    ...
    ...     def disproof(self, evidence):
    ...         found = residual(evidence.main, evidence.data)
    ...         return None if found <= self.bound else f"the gradient's norm is {found:.3g}, above {self.bound:.3g}"
    """

    @abstractmethod
    def disproof(self, evidence: Evidence) -> str | None:
        """Return in one line why the certificate does not hold, or None where it is proven again."""


CERTIFICATES: Registry[CertificateSpec] = Registry("lethe.certificates", "clients.unlearning.certificates:CertificateSpec", {})
