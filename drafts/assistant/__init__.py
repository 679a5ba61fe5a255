"""The assistant that a person of the team talks with. So far: what was said is found again."""
