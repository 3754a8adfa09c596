"""The code on the pages of the site runs from top to bottom, and prints what the pages say."""

import ast
import contextlib
import doctest
import io
import re
import sys
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest
import torch
from public_api import public_objects

DOCS = Path(__file__).parent.parent / "docs"
sys.path.append(str(DOCS / "hooks"))
import reference  # noqa: E402

FENCE = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def blocks(page):
    """Language and text of every fenced block of a page, in order."""
    return [(match[2], match[3]) for match in FENCE.finditer(page.read_text())]


PAGES = sorted(page for page in DOCS.rglob("*.md") if any(language == "python" for language, _ in blocks(page)))


def shown(code, names):
    """What a block prints, and the value of its last line, as a notebook would show them."""
    tree = ast.parse(code)
    last = ast.Expression(tree.body.pop().value) if isinstance(tree.body[-1], ast.Expr) else None
    with contextlib.redirect_stdout(io.StringIO()) as output:
        exec(compile(tree, "page", "exec"), names)
        value = None if last is None else eval(compile(last, "page", "eval"), names)
        if value is not None:
            output.write(f"{value!r}\n")
    return output.getvalue()


@pytest.fixture
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_the_code_of_a_page_runs_and_prints_what_it_says(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names, differences = {"__name__": "page"}, []
    with pd.option_context("display.width", 100, "display.max_columns", 20):
        for (language, code), (following, expected) in pairwise([*blocks(page), ("", "")]):
            output = shown(code, names) if language == "python" else ""
            checked = language == "python" and following == "text"
            if checked and not doctest.OutputChecker().check_output(expected, output, FLAGS):
                differences.append(f"{code}\nprints\n{output}\nnot\n{expected}")
    assert differences == [], "\n".join(differences)


def test_the_reference_describes_every_public_name_once():
    names = {id(member): name for name, member in reversed(public_objects().items())}
    text = "\n".join(reference.pages().values())
    assert [name for name in names.values() if text.count(f"{{ #{name} }}") != 1] == []


def test_every_page_is_in_the_navigation():
    navigation = (DOCS.parent / "mkdocs.yml").read_text()
    pages = [*(str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md")), *reference.pages()]
    assert [page for page in pages if f"- {page}\n" not in navigation] == []


def test_every_printed_block_follows_the_code_that_prints_it():
    for page in DOCS.rglob("*.md"):
        languages = [language for language, _ in blocks(page)]
        assert all(before == "python" for before, after in pairwise(["", *languages]) if after == "text"), page
