"""The command line: options in, one call of a stage, a sentence and an exit code out."""
