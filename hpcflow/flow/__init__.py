"""Conditional flows: their features, training, and storage.

Each family of flows is a subclass of `base.Flow`; `families` lists them.
"""
