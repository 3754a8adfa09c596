"""Pages of the gallery, made of notebooks as they are committed, with their outputs."""

import base64
import re
from pathlib import Path

import nbformat

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


def overview(paths: list[Path]) -> str:
    """The title of each notebook, its first paragraph and its last picture."""
    cards = []
    for path in paths:
        markdown, pictures = page(path)
        title, _, first, *_ = markdown.split("\n\n")
        picture = list(pictures)[-1]
        link = f"gallery/{path.stem}.md"
        cards.append(f"## [{title.removeprefix('# ')}]({link})\n\n{first}\n\n[![{title[2:]}]({picture})]({link})")
    return "\n\n".join(cards)


def page(path: Path) -> tuple[str, dict[str, bytes]]:
    """Markdown of a notebook, and its pictures by the file that they go to."""
    notebook = nbformat.read(path, as_version=4)
    blocks, pictures = [], {}
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            blocks.append(cell.source)
            continue
        blocks.append(f"```python\n{cell.source}\n```")
        for output in cell.outputs:
            blocks.append(_shown(output, path.stem, pictures))
    place = path.relative_to(NOTEBOOKS).as_posix()
    source = f"*This page is a notebook: [{path.name}](../notebooks/{place}).*"
    title, _, rest = "\n\n".join(blocks).partition("\n")
    return f"{title}\n\n{source}\n{rest}\n", pictures


def _shown(output: nbformat.NotebookNode, stem: str, pictures: dict[str, bytes]) -> str:
    data = output.get("data", {})
    if "image/png" in data:
        name = f"{stem}_{len(pictures) + 1}.png"
        pictures[f"gallery/{name}"] = base64.b64decode(data["image/png"])
        return f"![what the cell above draws]({name})"
    if "text/html" in data:
        table = re.sub(r"<style.*?</style>", "", data["text/html"], flags=re.DOTALL)
        table = re.sub(r"<table[^>]*>", "<table>", table)
        return f'<div class="output">{" ".join(table.split())}</div>'
    return f"```text\n{output.get('text', data.get('text/plain', '')).rstrip()}\n```"
