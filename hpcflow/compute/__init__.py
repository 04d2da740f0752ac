"""Execution: workers on this machine or as SLURM jobs, the loop that all stages share, and the launcher of training.

A stage is told where to run (`Here`, `InProcess` or a `Site`). `jobs` composes the commands, `slurm` runs them.
"""
