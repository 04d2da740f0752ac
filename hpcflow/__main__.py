"""`python -m hpcflow`."""

from hpcflow.cli.main import main

main()
