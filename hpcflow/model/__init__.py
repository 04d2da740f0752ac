"""What a cluster looks like: prior, simulators of noiseless fluxes, and how a survey observes them.

Everything here is numpy, but that `observe` and `ssp` compute with torch's tensors where they are given some; it
knows nothing of files that hold results, networks or workers, and has units in its docstrings: ages in log10 yr,
masses in log10 solar masses *formed*, E(B-V) in mag, flux densities in mJy, distances in Mpc.
"""
