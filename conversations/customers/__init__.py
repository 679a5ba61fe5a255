"""Who writes to us: which person a message is of, when two are one, what we know of them."""
