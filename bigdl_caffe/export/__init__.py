"""Ways out: models as files that other programs read."""
