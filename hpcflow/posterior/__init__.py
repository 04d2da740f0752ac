"""What is inferred of each cluster: samples, modes, moments, predictive checks, calibration."""
