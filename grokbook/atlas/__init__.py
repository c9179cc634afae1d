"""Where all models of the book meet; it may import every subject, and nothing imports it."""
