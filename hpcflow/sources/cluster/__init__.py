"""Star clusters: simple stellar populations behind a dust screen, by our own engine or by CIGALE."""
