"""Is a flow right? The record of held-out truths, the statistics taken of it, and the verdict."""
