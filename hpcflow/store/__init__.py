"""Zarr stores for the library of simulations and the archive of posteriors."""
