"""Where it runs: workers, here or as SLURM jobs, the loop that all stages share, and ranks that train together.

A stage is told where (`Here` or a `Site`); what is said to sbatch is in `jobs`, who says it in `slurm`.
"""
