"""Pages of the API reference, made of signatures and numpydoc docstrings as they are at run time.

Constructors of named forecasters are dataclasses whose options and descriptions come from several classes: only the
running class knows them all.
"""

import html
import importlib
import inspect
import re
import sys
import textwrap
from collections import defaultdict
from functools import cache
from pathlib import Path

from numpydoc.docscrape import NumpyDocString

from tsseq.hints import ALIASES

sys.path.append(str(Path(__file__).parents[2] / "tests"))
from public_api import methods_of, public_objects, signature

FIELDS = ("Parameters", "Attributes", "Returns", "Yields", "Raises", "Warns")
TABLE = re.compile(r"^=+ [= ]*\n.*?^=+ [= ]*\n.*?^=+ [= ]*$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"(?<![`\[])`(?!`)(?:~?)([A-Za-z_][\w.]*)`(?!`)")


@cache
def first_names() -> dict[int, str]:
    """Identity of a public object -> its first name, such as tsseq.backtest."""
    return {id(member): name for name, member in reversed(public_objects().items())}


@cache
def page_of(name: str) -> str:
    """File of the page that describes the public object of that first name."""
    member = public_objects()[name]
    module = getattr(member, "__module__", "")
    parts = (module if module.startswith("tsseq") else name).split(".")
    return f"api/{'statistics' if 'statistics' in parts else parts[1]}.md"


@cache
def targets() -> dict[str, str]:
    """What docs may call a public object or a method -> the page and anchor where it is described."""
    places = {}
    for first in first_names().values():
        member, place = public_objects()[first], f"{page_of(first)}#{first}"
        short = first.rpartition(".")[2]
        methods = methods_of(member) if inspect.isclass(member) else {}
        places |= {f"{short}.{method}": f"{page_of(first)}#{first}.{method}" for method in methods}
        places |= {short: place, first: place, f"tsseq.{short}": place}
    return places


def linked(text: str, folder: str, once: bool = False) -> str:
    """Markdown in which the names of public objects, written as code, lead to the reference.

    With ``once`` only at their first mention, and where they are no plain word, which may be a variable.
    """
    seen = set()

    def link(match: re.Match) -> str:
        place = targets().get(match[1])
        if place is None or (once and (place in seen or (match[1].islower() and "." not in match[1]))):
            return f"`{match[1]}`"
        seen.add(place)
        return f"[`{match[1]}`]({'../' if folder else ''}{place})"

    parts = re.split(r"(^ *```.*?^ *```$|^#.*?$)", text, flags=re.MULTILINE | re.DOTALL)
    return "".join(part if k % 2 else CODE.sub(link, part) for k, part in enumerate(parts))


def pages() -> dict[str, str]:
    """File of every page of the reference -> its Markdown."""
    names = defaultdict(list)
    for name in first_names().values():
        names[page_of(name)].append(name)
    return {page: _page(page, sorted(group, key=_order)) for page, group in names.items()}


def overview() -> str:
    """A table of all pages with what is on them."""
    names = defaultdict(list)
    for name in first_names().values():
        names[page_of(name)].append(name)
    rows = [f"| [{_title(page)}]({page}) | {_links(page, group)} |" for page, group in sorted(names.items())]
    return "\n".join(["| page | names |", "|---|---|", *rows])


def other_names() -> str:
    """A table of names of other toolkits beside ours, as constructors answer them."""
    rows = [f"| {', '.join(f'`{other}`' for other in others)} | `{ours}` |" for ours, others in ALIASES.items()]
    return "\n".join(["| elsewhere | here |", "|---|---|", *rows])


def _links(page: str, names: list[str]) -> str:
    return ", ".join(f"[`{name.rpartition('.')[2]}`]({page}#{name})" for name in sorted(names, key=_order))


def _title(page: str) -> str:
    return page.removeprefix("api/").removesuffix(".md")


def _order(name: str) -> tuple:
    member = public_objects()[name]
    return not inspect.isclass(member), name.rpartition(".")[2].lower()


def _page(page: str, names: list[str]) -> str:
    title = _title(page)
    module = importlib.import_module("tsseq.trading.statistics" if title == "statistics" else f"tsseq.{title}")
    entries = "\n\n".join(_entry(name) for name in names)
    return f"# {title}\n\n{linked(inspect.getdoc(module), 'api')}\n\n{entries}\n"


def _entry(name: str) -> str:
    member, short = public_objects()[name], name.rpartition(".")[2]
    heading = f"## {short} {{ #{name} }}"
    if not callable(member) or not hasattr(member, "__name__"):
        keys = ", ".join(f"`{key}`" for key in member) if isinstance(member, dict) else f"`{member}`"
        return f"{heading}\n\n```python\n{name}\n```\n\n{keys}"
    blocks = [heading, _signature(name, member), _docs(inspect.getdoc(member))]
    if inspect.isclass(member) and not issubclass(member, Exception):
        blocks += [_method(name, member, method) for method in methods_of(member)] + [_inherited(member)]
    return "\n\n".join(block for block in blocks if block)


def _method(name: str, cls: type, method: str) -> str:
    function = inspect.getattr_static(cls, method)
    call = f"{method}{signature(getattr(cls, method))}".replace("(self, ", "(").replace("(self)", "()")
    kind = "property" if isinstance(function, property) or not inspect.isroutine(getattr(cls, method)) else ""
    heading = f"#### {method} {{ #{name}.{method} .method }}"
    code = "" if kind else f"```python\n{_wrapped(call)}\n```"
    docs = inspect.getdoc(getattr(cls, method)) or _docs_of_bases(cls, method)
    return "\n\n".join(block for block in (heading, code, _docs(docs)) if block)


def _docs_of_bases(cls: type, method: str) -> str:
    docs = (inspect.getdoc(vars(base)[method]) for base in cls.__mro__ if method in vars(base))
    return next((doc for doc in docs if doc), "")


def _inherited(cls: type) -> str:
    """A line that names the methods of public bases."""
    bases = [base for base in cls.__mro__[1:] if id(base) in first_names()]
    own, links = set(methods_of(cls)), []
    for base in bases:
        methods = [method for method in methods_of(base) if method not in own]
        own |= set(methods)
        links += [f"`{base.__name__}.{method}`" for method in methods]
    return linked(f"Inherited: {', '.join(links)}.", "api") if links else ""


def _signature(name: str, member: object) -> str:
    text = "" if inspect.isclass(member) and issubclass(member, Exception) else signature(member)
    return f"```python\n{_wrapped(name + text)}\n```"


def _wrapped(call: str) -> str:
    """A call over several lines, each below 90 characters."""
    if len(call) < 90:
        return call
    start, _, rest = call.partition("(")
    lines = textwrap.wrap(rest[:-1], 84, break_long_words=False, break_on_hyphens=False)
    return "\n".join([f"{start}(", *(f"    {line}" for line in lines), ")"])


def _docs(text: str | None) -> str:
    docs = NumpyDocString(text or "")
    blocks = [_prose(docs["Summary"]), _prose(docs["Extended Summary"])]
    blocks += [_fields(section, docs[section]) for section in FIELDS if docs[section]]
    blocks += [_prose(["**Notes.** " + docs["Notes"][0], *docs["Notes"][1:]])] if docs["Notes"] else []
    if docs["Examples"]:
        blocks.append("```pycon\n" + "\n".join(docs["Examples"]).strip() + "\n```")
    return "\n\n".join(block for block in blocks if block)


def _fields(section: str, entries: list) -> str:
    items = [f"**{section}**{{ .section }}"]
    for entry in entries:
        name = f"`{entry.name}` " if entry.name else ""
        kind = f"<span class='type'>{html.escape(str(entry.type))}</span>"
        description = _prose(entry.desc).replace("\n", "\n    ")
        items.append(f"{name}{kind}\n:   {description}")
    return "\n\n".join(items)


def _prose(lines: list[str]) -> str:
    """reStructuredText as docstrings here use it, as Markdown."""
    text = re.sub(r"::$", ":", "\n".join(lines), flags=re.MULTILINE)
    return linked(TABLE.sub(_table, text).strip(), "api")


def _table(match: re.Match) -> str:
    """A simple table of reStructuredText as one of Markdown; a row without a first cell goes on with the one above."""
    ruler, *lines, _ = match[0].splitlines()
    spans = [column.span() for column in re.finditer("=+", ruler)]
    ends = [*(end for _, end in spans[:-1]), None]
    rows: list[list[str]] = []
    for line in (line for line in lines if not line.startswith("=")):
        cells = [line[start:end].strip() for (start, _), end in zip(spans, ends)]
        if cells[0]:
            rows.append(cells)
        else:
            rows[-1] = [f"{above} {cell}".strip() for above, cell in zip(rows[-1], cells)]
    rows.insert(1, ["---"] * len(spans))
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows)
