"""Other people's files: readers of catalogues in their many formats, and writers of tables for other programs."""
