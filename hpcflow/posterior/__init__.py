"""Inference for each cluster: posterior samples, modes, moments, importance weights and predictive checks."""
