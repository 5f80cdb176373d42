"""Language identification, an option: commoncrawl has sentences in other languages on either side."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from nmt_prune.errors import PruneError
from nmt_prune.text.languages import primary_language

# Of fewer words no identifier knows the language, least of all of names and numbers.
_FEWEST_WORDS = 5


class LanguageFilter:
    """Keeps pairs whose sides are in their languages, as lingua sees it (all its languages, low-accuracy mode).

    Args:
        languages: tags of source and target.

    Raises:
        PruneError: lingua is not installed, or does not know a language.
    """

    def __init__(self, languages: tuple[str, str]) -> None:
        try:
            import lingua
        except ImportError:
            raise PruneError("--identify-languages needs lingua; pip install 'nmt-prune[languages]'") from None
        known = {
            code.name.lower(): language
            for language in lingua.Language.all()
            for code in (language.iso_code_639_1, language.iso_code_639_3)
        }
        for language in languages:
            if primary_language(language) not in known:
                raise PruneError(f"--identify-languages: lingua does not know the language {language!r}")
        self._expected = [known[primary_language(language)] for language in languages]

    def filter(self, pairs: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
        """Leaves out pairs with a side of five words or more that is in another language."""
        return [pair for pair in pairs if all(map(self._may_be, pair, self._expected))]

    def _may_be(self, sentence: str, expected: Any) -> bool:
        if sentence.count(" ") + 1 < _FEWEST_WORDS:
            return True
        return self._detector.detect_language_of(sentence) in (expected, None)

    @cached_property
    def _detector(self) -> Any:
        from lingua import LanguageDetectorBuilder

        return LanguageDetectorBuilder.from_all_languages().with_low_accuracy_mode().build()
