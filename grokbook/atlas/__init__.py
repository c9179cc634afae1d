"""The atlas: what needs several models of the book at once."""
