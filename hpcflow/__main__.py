"""`python -m hpcflow`."""

from hpcflow.cli import main

main()
