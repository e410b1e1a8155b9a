"""The unlearners, by ``kind``."""

from clients.spec import Registry
from clients.unlearning.contract import UnlearnerSpec

UNLEARNERS: Registry[UnlearnerSpec] = Registry(
    "lethe.unlearners",
    {
        "retrain": "clients.unlearning.exact.retrain:Retrain",
        "sisa": "clients.unlearning.exact.sisa:Sisa",
        "finetune": "clients.unlearning.finetune:Finetune",
    },
)
