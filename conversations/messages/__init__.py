"""Messages: received once, joined to a conversation, sent once."""
