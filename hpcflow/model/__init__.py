"""The physics that all kinds of sources share: priors, filters, extinction, spectra, and how a survey observes fluxes.

The code is numpy, except that `observe` also takes torch tensors. It knows nothing of stores, networks or workers.
Units throughout: ages in log10 yr, masses in log10 solar masses *formed*, E(B-V) in mag, flux densities in mJy,
distances in
    Mpc.
"""
