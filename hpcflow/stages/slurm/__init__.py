"""Runs as SLURM jobs: check a site, submit the stages as a chain of jobs, and follow them in the queue."""
