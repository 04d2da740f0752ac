"""A simulator of the user's own: a class in a file beside the config, whose parameters the config describes."""
