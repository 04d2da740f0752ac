"""What every room stands on, and no library but numpy.

Errors, partitions and their random numbers, a run's paths, files that are whole or not there, signals, locks.
"""
