"""xml.etree only."""
