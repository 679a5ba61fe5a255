"""Setting an account up: channels that are proved before they are switched on, how they fare, and what is still to do."""
