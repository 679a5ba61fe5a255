"""The demo's stand-ins of the vendors that its channels are of: their replies go somewhere, and whoever tries it out can be
the customer there."""
