"""Two ways to keep a book: closed form on returns, and shares and cash."""

__all__ = []
