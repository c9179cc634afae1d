"""Where all models of the book meet: what needs several subjects at once."""
