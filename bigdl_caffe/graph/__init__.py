"""Messages in, an immutable net out. No torch here."""
