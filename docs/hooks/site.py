"""What `mkdocs build` adds to the pages of this folder: API reference, gallery, benchmarks, changelog."""

from pathlib import Path

import gallery
import reference
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").rglob("*.ipynb"), key=lambda path: (len(path.parts), path))
ELSEWHERE = ("benchmarks/*.md", "benchmarks/*.png", "notebooks/**/*.ipynb", "CHANGELOG.md")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add pages that are written elsewhere, or made here."""
    for path in (path for pattern in ELSEWHERE for path in sorted(ROOT.glob(pattern))):
        files.append(File(str(path.relative_to(ROOT)), str(ROOT), config.site_dir, config.use_directory_urls))
    contents = reference.pages()
    for path in NOTEBOOKS:
        markdown, pictures = gallery.page(path)
        contents |= {f"gallery/{path.stem}.md": markdown} | pictures
    for name, content in contents.items():
        files.append(File.generated(config, name, content=content))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Fill in the lists that pages ask for; link the first mention of a public name to the reference."""
    name = page.file.src_uri
    if name.startswith("benchmarks/"):
        return markdown.replace("](../docs/", "](../")
    lists = {
        "gallery.md": ("gallery", gallery.overview(NOTEBOOKS)),
        "api.md": ("names", reference.overview()),
        "guide/coming_from.md": ("names", reference.other_names()),
    }
    if name in lists:
        marker, text = lists[name]
        markdown = markdown.replace(f"<!-- {marker} -->", text)
    made_here = name.startswith(("api/", "gallery/", "CHANGELOG"))
    return markdown if made_here else reference.linked(markdown, name.rpartition("/")[0], once=True)
