"""The helper package of Grokbook, an executable companion to five papers on grokking.

``curves`` defines a run and its crossing times, ``linear`` (and later ``logistic``, ``xor``,
``modular``) hold theory and simulation, ``claims`` the ledger, ``store`` the stored results,
``sweep`` the sweeps and ``figures`` the house style.  Importing the package itself needs numpy and
scipy only.
"""

from importlib.metadata import version

__version__ = version("grokbook")
