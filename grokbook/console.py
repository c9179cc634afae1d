"""Text for consoles that cannot show every letter."""

from __future__ import annotations

import codecs
import re
import unicodedata

# Name of the error handler that spells what an encoding lacks.
SPELT = "grokbook-spelt"
_RAISED = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ᵀ]+")
# What Unicode's own names and decompositions would spell oddly.
_SPELT = {
    **{"−": "-", "–": "-", "→": "->", "≤": "<=", "≥": ">=", "≪": "<<", "≫": ">>", "≈": "~"},
    **{"±": "+-", "×": "x", "·": "*", "∞": "inf", "√": "sqrt ", "∇": "grad ", "⊥": "perp"},
    **{"‖": "||", "’": "'", "“": '"', "”": '"', "λ": "lambda", "Λ": "Lambda", "½": "1/2"},
    **{"⟦": "[", "⟧": "]"},
    **{"⟨": "<", "⟩": ">", "⊕": "(+)", "≃": "~", "∝": "~"},
}


def printable(text: str, encoding: str | None) -> str:
    """``text`` as a console of that encoding can show it, without an error for any letter.

    Where the encoding lacks them, λ becomes ``lambda``, ≤ ``<=`` and 10⁻⁷ ``10^-7``.
    """
    encoding = encoding or "ascii"
    text = _RAISED.sub(lambda run: _raised(run[0], encoding), text)
    return text.encode(encoding, SPELT).decode(encoding)


def _raised(run: str, encoding: str) -> str:
    try:
        run.encode(encoding)
    except UnicodeEncodeError:
        return "^" + "".join(map(_spell, unicodedata.normalize("NFKD", run)))
    return run


def _spell(letter: str) -> str:
    if letter.isascii() or letter in _SPELT:
        return _SPELT.get(letter, letter)
    if unicodedata.combining(letter):
        return ""
    parts = unicodedata.normalize("NFKD", letter)
    if parts != letter:
        return "".join(map(_spell, parts))
    name = unicodedata.name(letter, "?")
    word = name.rpartition(" ")[2]
    return word.lower() if " SMALL " in name else word.capitalize()


def _spell_error(error: UnicodeError) -> tuple[str, int]:
    return "".join(map(_spell, error.object[error.start : error.end])), error.end


codecs.register_error(SPELT, _spell_error)
