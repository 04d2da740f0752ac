"""What reads a run and changes nothing: status, tables, samples, the page of one cluster, and what the report shows."""
