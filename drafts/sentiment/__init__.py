"""How content somebody sounds in what they wrote, in English, German and Spanish (docs/decisions/0066)."""

from drafts.sentiment.measuring import LANGUAGES, Measured, measure, measure_message

__all__ = ["LANGUAGES", "Measured", "measure", "measure_message"]
