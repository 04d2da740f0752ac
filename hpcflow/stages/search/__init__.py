"""`hpcflow search`: try settings of training on any number of workers, which share a journal."""
