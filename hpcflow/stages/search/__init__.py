"""`hpcflow search`: settings of training tried one by one, in a journal that any number of workers share."""
