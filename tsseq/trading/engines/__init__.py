"""Two ways to keep a book: closed form on returns, and shares and cash; `tsseq.simulate` and `tsseq.sweep` run them."""

from __future__ import annotations

__all__: list[str] = []
