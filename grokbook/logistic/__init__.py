"""Grokking at the edge of linear separability (paper LS): settings, theory, simulation, the toy."""

from grokbook.logistic.setting import LogisticSetting, ToySetting, TwoGaussianSetting

__all__ = ["LogisticSetting", "ToySetting", "TwoGaussianSetting"]
