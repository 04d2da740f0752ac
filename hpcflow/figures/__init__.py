"""What a run looks like: its numbers, and its figures, each a function from datasets to a Matplotlib figure.

Nothing here infers anything, and only figures are written. They are built with Matplotlib's objects, never with
pyplot's global state: they are the same whatever was drawn before, and need no screen.
"""
