"""Runs as jobs of a SLURM cluster: submitted as a chain, looked at in the queue, and a site checked beforehand."""
