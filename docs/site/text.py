"""Markdown in parts: fenced blocks, and what stands between them."""

import re
from collections.abc import Callable

_FENCE = re.compile(r"^```([\w-]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def outside_fences(markdown: str, change: Callable[[str], str]) -> str:
    """Change what is no fenced block."""
    parts, place = [], 0
    for fence in _FENCE.finditer(markdown):
        parts += [change(markdown[place : fence.start()]), fence[0]]
        place = fence.end()
    return "".join([*parts, change(markdown[place:])])


def replaced_fences(markdown: str, language: str, change: Callable[[str], str]) -> str:
    """Replace the fenced blocks of one language, given what is in them."""
    return _FENCE.sub(lambda f: change(f[2]) if f[1] == language else f[0], markdown)
