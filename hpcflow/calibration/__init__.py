"""Calibration of a flow: the record of held-out truths, its statistics, and the verdict."""
