"""Where it runs: Dask workers on this machine, and the one loop that all stages share."""
