"""Grokking on XOR clusters (paper XC): one setting, what its theory predicts, its simulation."""

from grokbook.xor.setting import XorSetting, within_assumptions

__all__ = ["XorSetting", "within_assumptions"]
