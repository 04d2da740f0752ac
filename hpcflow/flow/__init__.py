"""What is learned: conditional flows, their features, and how they are trained and kept.

A family of flows is a class with the laws of `base.Flow`; `families` is the list of them. Torch lives here.
"""
