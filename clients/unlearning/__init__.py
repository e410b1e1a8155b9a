"""The unlearners, by ``kind``."""

from clients.spec import Registry
from clients.unlearning.contract import UnlearnerSpec

UNLEARNERS: Registry[UnlearnerSpec] = Registry(
    "lethe.unlearners",
    "clients.unlearning.contract:UnlearnerSpec",
    {
        "adaptive_queries": "clients.unlearning.approximate.queries:AdaptiveQueries",
        "approximate": "clients.unlearning.approximate.approximate:Approximate",
        "certified_removal": "clients.unlearning.approximate.certified.spec:CertifiedRemoval",
        "convex": "clients.unlearning.convex.spec:Convex",
        "infinitesimal_jackknife": "clients.unlearning.approximate.statistics.spec:InfinitesimalJackknife",
        "newton_statistics": "clients.unlearning.approximate.statistics.spec:NewtonStatistics",
        "features_labels": "clients.unlearning.approximate.certified.features_labels:FeaturesLabels",
        "receraser": "clients.unlearning.exact.recommender.spec:RecEraser",
        "recollection": "clients.unlearning.approximate.recollection:Recollection",
        "retrain": "clients.unlearning.exact.retrain:Retrain",
        "sisa": "clients.unlearning.exact.sisa:Sisa",
        "grapheraser": "clients.unlearning.exact.graph.spec:GraphEraser",
        "finetune": "clients.unlearning.approximate.finetune:Finetune",
        "dare": "clients.unlearning.exact.dare.spec:Dare",
        "hedgecut": "clients.unlearning.exact.hedgecut.spec:HedgeCut",
        "item_item": "clients.unlearning.exact.statistical.specs:ItemItem",
        "kmeans": "clients.unlearning.exact.statistical.specs:AdaptiveKMeans",
        "naive_bayes": "clients.unlearning.exact.statistical.specs:NaiveBayes",
        "pca": "clients.unlearning.exact.statistical.specs:Pca",
        "quantised_kmeans": "clients.unlearning.exact.statistical.specs:QuantisedKMeans",
        "ridge": "clients.unlearning.exact.statistical.specs:Ridge",
    },
)
