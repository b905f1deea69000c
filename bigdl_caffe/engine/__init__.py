"""The ways to compute a net: one small interface, and what makes a net faster behind it."""
