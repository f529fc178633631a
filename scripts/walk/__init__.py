"""Types what the guides say, as somebody would who has just cloned this, and compares what comes."""
