"""Weights: where they come from, and the one table that holds them."""
