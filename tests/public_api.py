"""The public names of tsseq with their signatures: `make api` writes them to public_api.txt, a test compares."""

import importlib
import inspect
import pkgutil
from functools import cache, cached_property
from pathlib import Path
from types import ModuleType

import tsseq

SNAPSHOT = Path(__file__).with_suffix(".txt")


def faces() -> list[ModuleType]:
    """The package and its folders, each with an `__all__` of public names."""
    folders = [info.name for info in pkgutil.walk_packages(tsseq.__path__, "tsseq.") if info.ispkg]
    return [tsseq, *(importlib.import_module(name) for name in folders)]


@cache
def public_objects() -> dict[str, object]:
    """Full name -> class or function; modules among the public names stand for the functions in them."""
    objects = {}
    for face in faces():
        for name in sorted(face.__all__):
            member = getattr(face, name)
            objects |= functions_of(member) if inspect.ismodule(member) else {f"{face.__name__}.{name}": member}
    return objects


def functions_of(module: ModuleType) -> dict[str, object]:
    """Full name -> public function that the module defines."""
    return {
        f"{module.__name__}.{name}": member
        for name, member in inspect.getmembers(module, inspect.isroutine)
        if member.__module__ == module.__name__ and not name.startswith("_")
    }


def methods_of(cls: type) -> dict[str, object]:
    """Name -> public method or property of a class; those of its public bases and of scikit-learn are left out."""
    bases = [base for base in cls.__mro__ if base is cls or base not in public_objects().values()]
    names = {name for base in bases if base.__module__.startswith("tsseq") for name in vars(base)}
    members = {name: getattr(cls, name, None) for name in sorted(names) if not name.startswith("_")}
    return {
        name: member
        for name, member in members.items()
        if inspect.isroutine(member) or isinstance(member, (property, cached_property))
        if not (name.startswith("set_") and name.endswith("_request"))
    }


def signature(member: object) -> str:
    """Names, kinds and defaults of the parameters, without types; "" for what is not called."""
    if inspect.isclass(member) and issubclass(member, Exception):
        return f"({member.__base__.__name__})"
    if not (inspect.isclass(member) or (callable(member) and hasattr(member, "__name__"))):
        return ""
    typed = inspect.signature(member)
    plain = [parameter.replace(annotation=inspect.Parameter.empty) for parameter in typed.parameters.values()]
    return str(typed.replace(parameters=plain, return_annotation=inspect.Signature.empty))


def listing() -> str:
    """One line per public name, and below a class one per method or property; a second name refers to the first."""
    lines, first_names = [], {}
    for name, member in public_objects().items():
        first_name = first_names.setdefault(id(member), name)
        if first_name != name:
            lines.append(f"{name} = {first_name}")
        else:
            lines.append(f"{name}{signature(member)}")
            methods = methods_of(member) if inspect.isclass(member) else {}
            lines += [f"    .{method}{signature(function)}" for method, function in methods.items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    SNAPSHOT.write_text(listing())
