"""Grokking in linear estimators (paper LE): one setting, its exact theory, its simulation."""

from grokbook.linear.setting import LinearSetting, TwoLayerSetting

__all__ = ["LinearSetting", "TwoLayerSetting"]
