"""urllib: parse, error, request."""
