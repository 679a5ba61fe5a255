"""An account's configuration as one file, `countersign.yaml`: written, read, compared, and either side made to follow the other."""
