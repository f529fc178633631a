"""ElementTree."""
