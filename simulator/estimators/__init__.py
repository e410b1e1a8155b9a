"""Learners that can be asked to forget, as scikit-learn's users know estimators; `from simulator import UnlearningClassifier`."""
