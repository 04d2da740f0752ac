"""What is kept: simulation and posterior stores (Zarr), and catalogues read from other people's files."""
