"""What mkdocs asks while it builds the site: pages that have no file, links, diagrams.

The documents are written for the repository, where they link to each other and to files beside
them; here those links are turned to the site's pages. The references are made from the code.
"""

from pathlib import Path

from links import PAGES, for_site
from mermaidx import render
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from operations import commands_page, operations_page, settings_page
from packages import client_page, package_page, packages
from text import outside_fences, replaced_fences

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that lie elsewhere in the repository, and those made from the code."""
    made = {page: (ROOT / name).read_text() for name, page in PAGES.items()}
    made |= {
        "reference/http.md": operations_page(),
        "reference/commands.md": commands_page(ROOT),
        "reference/settings.md": settings_page(ROOT),
    }
    made |= {"reference/service.client.md": client_page()}
    made |= {f"reference/{name}.md": package_page(ROOT, name) for name in packages(ROOT)}
    icon = ROOT / "service" / "http" / "page" / "static" / "favicon.svg"
    made |= {"favicon.svg": icon.read_text(), "site.css": (HERE / "site.css").read_text()}
    for name, content in made.items():
        files.append(File.generated(config, name, content=content))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links of the repository to those of the site, and draw the diagrams."""
    del config
    source = page.file.src_uri
    if source.startswith("reference/"):
        return markdown
    markdown = outside_fences(markdown, lambda text: for_site(text, source, files.src_uris))
    return replaced_fences(markdown, "mermaid", _drawn)


def _drawn(diagram: str) -> str:
    """Draw a diagram as SVG; a reader's browser would need a script of three megabytes for it."""
    drawn = render(diagram, theme="neutral").svg().replace("\n", " ")
    return f'<figure class="diagram">{drawn}</figure>'
