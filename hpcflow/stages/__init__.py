"""The stages of a run: each takes a config and a run folder, and computes the partitions that are missing."""
