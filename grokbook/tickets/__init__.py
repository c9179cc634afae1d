"""Grokking tickets (paper GT): masks on the networks of modular arithmetic.  Needs torch."""

from grokbook.tickets.setting import PAPER, QUICK

__all__ = ["PAPER", "QUICK"]
