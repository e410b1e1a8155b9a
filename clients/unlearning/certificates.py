"""Certificates: proofs of certified removal, which ``lethe verify`` checks again."""

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
    """Evidence for checking a certificate again: everything that a finished run keeps of the peer.

    Parameters
    ----------
    guarantee : str
        The outcome's claim: ``certified(epsilon, delta)``.
    forgotten : int64 array
        Ids of the data that had to be forgotten, ascending; none of data that were corrected.
    main : mapping of str to array, optional
        The peer's main artefact at the end of the run, with the ids of its rows under ``peer/rows`` and what has been corrected in them
        (`clients.corrections.Corrections.read`); None if the peer has left.
    data : Dataset
    unchanged : bool
        Whether nothing has changed the peer's rows since the certificate.
    """

    guarantee: str
    forgotten: Ids
    main: Mapping[str, npt.NDArray[Any]] | None
    data: Dataset
    unchanged: bool = False


class CertificateSpec(Spec):
    """The table of a certificate; its ``kind`` selects the class that checks it. An outcome contains it as plain values.

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
        """Return in one line why the certificate does not hold, or None if it does."""


CERTIFICATES: Registry[CertificateSpec] = Registry(
    "lethe.certificates",
    "clients.unlearning.certificates:CertificateSpec",
    {
        "distance": "clients.unlearning.approximate.statistics.certificate:Distance",
        "residual": "clients.unlearning.approximate.certified.certificate:Residual",
        "shared_distance": "clients.unlearning.approximate.statistics.certificate:SharedDistance",
        "shared_residual": "clients.unlearning.approximate.certified.shared:SharedResidual",
    },
)
