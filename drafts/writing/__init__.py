"""Writing reply drafts: the port that all drafters speak, the offline one, the model's, and the check of statements."""
