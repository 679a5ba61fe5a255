"""What every page of the desk needs, whatever it shows."""
