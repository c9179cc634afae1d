"""The helper package of Grokbook, an executable companion to seven papers on grokking.

``curves`` defines a run and its crossing times, ``linear``, ``logistic``, ``xor``, ``modular``,
``tickets`` and ``decay`` hold theory and simulation, ``atlas`` what all models share, ``claims``
the ledger, ``results`` the stored results, ``sweep`` the sweeps and ``figures`` the house style.
Importing the package itself needs numpy and scipy only, and no installation.
"""

__version__ = "0.1.0.dev0"


def edition() -> str:
    """Branch or tag of the repository that this state belongs to: ``main`` or ``vX.Y.Z``."""
    return "main" if ".dev" in __version__ else f"v{__version__}"
