"""Figures of a run: each is a function from datasets to a Matplotlib figure.

Figures are built from Matplotlib's objects, never with pyplot's global state, so that they do not depend on what was
drawn before and need no screen.
"""
