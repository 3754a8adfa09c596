"""The file of a saved model: a ZIP of stored members, each with its size and digest in the manifest.

Nothing is extracted, decompressed or imported; a member is bytes until `tsseq.load` has checked it.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import platform
import re
import secrets
import shutil
import struct
import sys
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeAlias

from tsseq.errors import ModelFileError

StrPath: TypeAlias = str | os.PathLike[str]

FORMAT = 2
MANIFEST = "manifest.json"
MEMBERS = {1: ("config.json", "weights.safetensors", "state.safetensors"), 2: ("config.json", "arrays.safetensors")}
MACHINE = hashlib.sha256(platform.node().encode()).hexdigest()[:8]  # in the names of temporary files
LIBRARIES = ("tsseq", "torch", "numpy", "pandas", "safetensors")
MOST_MEMBERS, MOST_CONTAINERS, MOST_VALUES = 8, 200_000, 2_000_000
TEXT = re.compile(rb'"(?:[^"\\]|\\.)*"')
# what zipfile and the manifest raise, where the fields of an archive contradict each other
BROKEN = zipfile.BadZipFile, struct.error, ValueError, TypeError, AttributeError, RuntimeError, EOFError, OverflowError


def write(path: StrPath, members: Mapping[str, bytes]) -> None:
    """Write a model file in one step: whoever reads ``path`` finds the old file or the whole new one.

    Parameters
    ----------
    path : str or path-like
        The file.
    members : mapping of str to bytes
        Those of the present format, by name.

    Raises
    ------
    OSError
        If the file cannot be written; nothing is left behind.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "model.tsseq")
    >>> write(path, {"config.json": b"{}", "arrays.safetensors": b""})
    >>> read(path)
    (2, {'config.json': b'{}', 'arrays.safetensors': b''})
    """
    replace_file(path, _archive(members))


def replace_file(path: StrPath, content: bytes) -> None:
    """Write a file in one step, to the disk: whoever reads it, or loses power, finds the old content or all of the new.

    Parameters
    ----------
    path : str or path-like
        The file; of a link, what it points to.
    content : bytes
        All that it will hold.

    Raises
    ------
    OSError
        If the file cannot be written; nothing is left behind.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "numbers")
    >>> replace_file(path, b"1 2 3")
    >>> path.read_bytes()
    b'1 2 3'
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        raise FileExistsError(f"{os.fspath(path)} is not a regular file, and nothing else is replaced.")
    _remove_stale(target.parent)
    temporary = target.with_name(f".{secrets.token_hex(8)}-{MACHINE}-{os.getpid()}.tmp")
    try:
        with open(temporary, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            shutil.copymode(target, temporary)
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
    if os.name == "posix":
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _remove_stale(folder: Path) -> None:
    """Remove temporary files of processes of this machine that were killed while they wrote."""
    for path in folder.glob(f".*-{MACHINE}-*.tmp") if os.name == "posix" else ():
        number = path.stem.rpartition("-")[2]
        if number.isdigit() and not _is_alive(int(number)):
            with suppress(OSError):
                path.unlink()


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def read(path: StrPath) -> tuple[int, dict[str, bytes]]:
    """Read the members of a model file, each as its digest says.

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    format_version : int
        The format that it was written in.
    members : dict of str to bytes
        Those of that format, by name.

    Raises
    ------
    ModelFileError
        If the file is damaged, holds something else, or is of a newer format.
    OSError
        If it cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "model.tsseq")
    >>> path.write_text("a text")
    6
    >>> read(path)
    Traceback (most recent call last):
        ...
    tsseq.errors.ModelFileError: ...model.tsseq: File is not a zip file, or something was added to it
    """
    content = Path(path).read_bytes()
    try:
        _check_directory(content)
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return _extract(archive)
    except BROKEN as error:
        raise ModelFileError(f"{os.fspath(path)}: {shortened(error)}") from error


def shortened(error: object) -> str:
    """The text of an error, at most 500 characters of it: a file can hold names of any length.

    Parameters
    ----------
    error : object
        What has a text.

    Returns
    -------
    str
        The text, or its beginning.

    Examples
    --------
    >>> len(shortened("x" * 10**6))
    500
    """
    text = str(error)
    return text if len(text) <= 500 else f"{text[:497]}..."


def dump_json(content: Any) -> bytes:
    r"""Write strict JSON: no NaN, no infinity.

    Parameters
    ----------
    content : object
        What `json.dumps` takes.

    Returns
    -------
    bytes
        The text.

    Examples
    --------
    >>> dump_json([1, None])
    b'[\n 1,\n null\n]'
    """
    return json.dumps(content, allow_nan=False, indent=1).encode()


def parse_json(content: bytes) -> Any:
    """Read strict JSON.

    Parameters
    ----------
    content : bytes
        The text.

    Returns
    -------
    object
        What it says.

    Raises
    ------
    ValueError
        If it is not JSON, holds NaN or infinity, a key twice in one object, or more than any model does.

    Examples
    --------
    >>> parse_json(b'{"horizon": 2}')
    {'horizon': 2}
    """

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not JSON")

    def unique(items: list[tuple[str, Any]]) -> dict[str, Any]:
        content = dict(items)
        if len(content) < len(items):
            raise ValueError(f"a key of {shortened(list(content))} occurs twice")
        return content

    outside = TEXT.sub(b"", content)  # counted before Python makes objects of it, 50 bytes or more for each
    if outside.count(b"[") + outside.count(b"{") > MOST_CONTAINERS or outside.count(b",") > MOST_VALUES:
        raise ValueError("its JSON holds more lists or values than any model does")
    return json.loads(content, parse_constant=refuse, object_pairs_hook=unique)


def _check_directory(content: bytes) -> None:
    """Refuse an archive of many members, or with anything before or after it, before all of its names are read."""
    if len(content) > 2**31:  # written with 64-bit numbers
        return
    end = content[-22:]
    if content[:4] != b"PK\x03\x04" or end[:4] != b"PK\x05\x06":
        raise ValueError("File is not a zip file, or something was added to it")
    (n_members,), (size, start) = struct.unpack("<H", end[10:12]), struct.unpack("<LL", end[12:20])
    if n_members > MOST_MEMBERS or size > 1000 * MOST_MEMBERS or start + size + 22 != len(content):
        raise ValueError(f"it has {n_members} members in a table of {size} bytes at {start}, unlike a model file")


def _archive(members: Mapping[str, bytes]) -> bytes:
    """The archive; the same members give the same bytes."""
    digests = {name: {"size": len(members[name]), "sha256": _digest(members[name])} for name in MEMBERS[FORMAT]}
    written_by = {"python": sys.version.split()[0], **{name: version(name) for name in LIBRARIES}}
    manifest = {"format": "tsseq-model", "format_version": FORMAT, "written_by": written_by, "members": digests}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in {MANIFEST: dump_json(manifest), **members}.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return buffer.getvalue()


def _extract(archive: zipfile.ZipFile) -> tuple[int, dict[str, bytes]]:
    names = archive.namelist()
    if MANIFEST not in names:
        raise ValueError(f"it is not a tsseq model file, for it has no {MANIFEST}")
    manifest = parse_json(_content(archive, MANIFEST))
    if not isinstance(manifest, dict) or manifest.get("format") != "tsseq-model":
        raise ValueError(f"it is not a tsseq model file, by its {MANIFEST}")
    format_version = _format_version(manifest)
    needed = MEMBERS[format_version]
    if sorted(names) != sorted((MANIFEST, *needed)):
        raise ValueError(f"it holds {sorted(names)!r}; a model file has {MANIFEST}, {', '.join(needed)}, each once")
    members = {name: _content(archive, name) for name in needed}
    for name, content in members.items():
        if manifest.get("members", {}).get(name) != {"size": len(content), "sha256": _digest(content)}:
            raise ValueError(f"{name} is not as it was written: the file was damaged or changed. Save the model again")
    return format_version, members


def _format_version(manifest: dict[str, Any]) -> int:
    number, writer = manifest.get("format_version"), manifest.get("written_by")
    if type(number) is not int or number < 1:
        raise ValueError(f"format_version={number!r} in {MANIFEST} is not a version")
    if number > FORMAT:
        by = writer.get("tsseq") if isinstance(writer, dict) else None
        limit = f"tsseq {version('tsseq')} reads up to format {FORMAT}"
        raise ValueError(f"it was written in format {number} by tsseq {by}, and {limit}: pip install --upgrade tsseq")
    return number


def _content(archive: zipfile.ZipFile, name: str) -> bytes:
    member = archive.getinfo(name)
    if member.compress_type != zipfile.ZIP_STORED or member.compress_size != member.file_size:
        raise ValueError(f"{name} is compressed, which no member of a model file is")
    return archive.read(member)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
