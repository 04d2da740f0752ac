"""What is looked at: a folder for each kind of source, with its simulators and its physics."""
