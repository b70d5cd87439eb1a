"""Links between the repository's documents, as links between the site's pages."""

import posixpath
import re
from collections.abc import Collection

# What lies beside docs/, by the page that it becomes.
PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "reporting.md",
}
_SOURCES = {page: name for name, page in PAGES.items()}
_LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)\s]+)\)|(!\[[^\]]*\])\(([^)\s]+)\)")
_ELSEWHERE = re.compile(r"\w+:|#")


def for_site(markdown: str, page: str, there: Collection[str]) -> str:
    """Turn a page's links; of a link to a file that the site does not have, the text is left.

    Args:
        markdown: without fenced blocks.
        page: of the site, such as `index.md`.
        there: all files of the site.
    """
    folder = posixpath.dirname(_SOURCES.get(page, f"docs/{page}"))

    def turned(found: re.Match[str]) -> str:
        shown = found[3] or f"[{found[1]}]"
        link = found[4] or found[2]
        if _ELSEWHERE.match(link):
            return found[0]
        path, hash_mark, anchor = link.partition("#")
        in_repository = posixpath.normpath(posixpath.join(folder, path))
        target = PAGES.get(in_repository, in_repository.removeprefix("docs/"))
        if target not in there:
            return found[1] or found[0]
        relative = posixpath.relpath(target, posixpath.dirname(page) or ".")
        return f"{shown}({relative}{hash_mark}{anchor})"

    return _LINK.sub(turned, markdown)
