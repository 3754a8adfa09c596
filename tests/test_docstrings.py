"""Docstrings of public names, as numpydoc's own parser reads them: complete, typed, described, with an example."""

import inspect
from functools import cache

import pytest
from numpydoc.docscrape import ClassDoc, NumpyDocString
from public_api import methods_of, public_objects

DOCUMENTED = [item for item in public_objects().items() if inspect.isclass(item[1]) or inspect.isfunction(item[1])]
OBJECTS = {member: name for name, member in reversed(DOCUMENTED)}
CLASSES = {name: cls for cls, name in OBJECTS.items() if inspect.isclass(cls) and not issubclass(cls, Exception)}
FUNCTIONS = {name: function for function, name in OBJECTS.items() if inspect.isfunction(function)}
NAMES = CLASSES | FUNCTIONS
METHODS = {
    f"{name}.{method}": (cls, method)
    for name, cls in CLASSES.items()
    for method, function in methods_of(cls).items()
    if callable(function)
}


@cache
def docs_of(member):
    if inspect.isclass(member):
        return ClassDoc(member, config={"show_class_members": False})
    return NumpyDocString(inspect.getdoc(member) or "")


@cache
def inherited_docs(cls, method):
    """Docs of a method, in its own class and in those of tsseq that it overrides."""
    classes = [base for base in cls.__mro__ if base.__module__.startswith("tsseq") and method in vars(base)]
    return [NumpyDocString(inspect.cleandoc(getattr(base, method).__doc__ or "")) for base in classes]


def incomplete_entries(docs):
    sections = ("Parameters", "Other Parameters", "Attributes", "Returns", "Yields", "Raises", "Warns")
    entries = [(section, entry) for section in sections for entry in docs[section]]
    return [f"{section}: {entry.name or entry.type}" for section, entry in entries if not (entry.type and entry.desc)]


def names_in(docs, *sections):
    """Names in sections of a docstring, where ``a, b : type`` are two."""
    entries = [entry for section in sections for entry in docs[section]]
    return {name.strip().lstrip("*") for entry in entries for name in entry.name.split(",")}


def documented(docs):
    return names_in(docs, "Parameters", "Other Parameters")


def parameters(function):
    kinds = {name: parameter.kind for name, parameter in inspect.signature(function).parameters.items()}
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return {name for name, kind in kinds.items() if name != "self" and kind not in variadic}


@pytest.mark.parametrize("name", NAMES)
def test_every_entry_of_a_public_name_has_a_type_and_a_description(name):
    assert incomplete_entries(docs_of(NAMES[name])) == []


@pytest.mark.parametrize("name", METHODS)
def test_every_entry_of_a_public_method_has_a_type_and_a_description(name):
    assert [entry for docs in inherited_docs(*METHODS[name]) for entry in incomplete_entries(docs)] == []


@pytest.mark.parametrize("name", NAMES)
def test_the_parameters_of_a_public_name_are_those_that_its_docs_list(name):
    member = NAMES[name]
    docs = docs_of(member)
    fields = names_in(docs, "Attributes") if inspect.isclass(member) else set()
    assert parameters(member) - documented(docs) - fields == set()
    assert documented(docs) - parameters(member) == set()


@pytest.mark.parametrize("name", METHODS)
def test_the_parameters_of_a_public_method_are_those_that_its_docs_list(name):
    cls, method = METHODS[name]
    everything = set.union(*map(documented, inherited_docs(cls, method)))
    assert parameters(getattr(cls, method)) - everything == set()


@pytest.mark.parametrize("name", METHODS)
def test_every_public_method_says_what_it_does(name):
    assert any(docs["Summary"] != [""] for docs in inherited_docs(*METHODS[name]))


@pytest.mark.parametrize("name", sorted(NAMES.keys() - {"tsseq.cli.main"}))
def test_every_public_class_and_function_has_an_example_that_runs(name):
    assert any(">>> " in line for line in docs_of(NAMES[name])["Examples"])
