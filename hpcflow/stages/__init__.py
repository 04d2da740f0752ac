"""The stages of a run: each takes a config and a run folder, and loops over the partitions that are missing."""
