"""What every room stands on, and no library but numpy: errors, partitions and their random numbers, signals, locks."""
