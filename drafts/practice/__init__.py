"""Practice: the assistant plays a customer from a scenario, a person decides the drafter's drafts, a rubric scores it."""
