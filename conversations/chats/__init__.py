"""A person's own conversations with an assistant: begun, written in, ordered, taken along, forgotten."""
