"""Read a run without changing it: status, tables, samples, the page of one cluster, and the contents of the report."""
