"""Vendors' contracts: each call of ours is held against the vendor's published description of its API, and answered by
a server made of that description which counts, and fails when it is told to."""
