"""Where it runs: Dask workers on this machine, the one loop that all stages share, and ranks that train together."""
