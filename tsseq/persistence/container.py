"""The container of a saved model: a ZIP of four stored members, each with its size and digest in the manifest.

Nothing is extracted, decompressed or imported; a member is bytes until `tsseq.persistence.models` has checked it.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import secrets
import struct
import sys
import zipfile
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeAlias

from tsseq.errors import ModelFileError

StrPath: TypeAlias = str | os.PathLike[str]

FORMAT = 1
MANIFEST = "manifest.json"
MEMBERS = ("config.json", "weights.safetensors", "state.safetensors")
LIBRARIES = ("tsseq", "torch", "numpy", "pandas", "safetensors")
# what zipfile raises, besides BadZipFile, where the fields of an archive contradict each other
BROKEN = (zipfile.BadZipFile, ValueError, NotImplementedError, RuntimeError, EOFError, struct.error, OverflowError)


def write(path: StrPath, members: Mapping[str, bytes]) -> None:
    """Write a model file in one step: whoever reads ``path`` finds the old file or the whole new one.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "model.tsseq")
    >>> write(path, {"config.json": b"{}", "weights.safetensors": b"", "state.safetensors": b""})
    >>> read(path)["config.json"]
    b'{}'
    """
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        with open(temporary, "xb") as file:
            file.write(_packed(members))
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
    if os.name == "posix":
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def read(path: StrPath) -> dict[str, bytes]:
    """The members of a model file, each as its digest says.

    Raises
    ------
    ModelFileError : the file is damaged, holds something else, or is of a newer format.
    OSError : it cannot be read.
    """
    content = Path(path).read_bytes()
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return _unpacked(archive)
    except BROKEN as error:
        raise ModelFileError(f"{os.fspath(path)}: {error}") from error


def dumped(content: Any) -> bytes:
    """Strict JSON: no NaN, no infinity."""
    return json.dumps(content, allow_nan=False, indent=1).encode()


def parsed(content: bytes) -> Any:
    """Read strict JSON; anything else is a ValueError."""

    def refuse(found: str) -> None:
        raise ValueError(f"{found} is no JSON")

    return json.loads(content, parse_constant=refuse)


def _packed(members: Mapping[str, bytes]) -> bytes:
    """The archive; the same members give the same bytes."""
    digests = {name: {"size": len(members[name]), "sha256": _digest(members[name])} for name in MEMBERS}
    written_by = {"python": sys.version.split()[0], **{name: version(name) for name in LIBRARIES}}
    manifest = {"format": "tsseq-model", "format_version": FORMAT, "written_by": written_by, "members": digests}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in {MANIFEST: dumped(manifest), **members}.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return buffer.getvalue()


def _unpacked(archive: zipfile.ZipFile) -> dict[str, bytes]:
    names = archive.namelist()
    if MANIFEST not in names:
        raise ValueError(f"it is no tsseq model file, for it has no {MANIFEST}")
    manifest = parsed(_content(archive, MANIFEST))
    if not isinstance(manifest, dict) or manifest.get("format") != "tsseq-model":
        raise ValueError(f"it is no tsseq model file, by its {MANIFEST}")
    _check_version(manifest)
    if sorted(names) != sorted((MANIFEST, *MEMBERS)):
        raise ValueError(f"it holds {sorted(names)!r}; a model file has {MANIFEST}, {', '.join(MEMBERS)}, each once")
    found = {name: _content(archive, name) for name in MEMBERS}
    for name, content in found.items():
        if manifest.get("members", {}).get(name) != {"size": len(content), "sha256": _digest(content)}:
            raise ValueError(f"{name} is not as it was written: the file was damaged or changed. Save the model again")
    return found


def _check_version(manifest: dict[str, Any]) -> None:
    found, writer = manifest.get("format_version"), manifest.get("written_by")
    if type(found) is not int or found < 1:
        raise ValueError(f"format_version={found!r} in {MANIFEST} is no version")
    if found > FORMAT:
        by = writer.get("tsseq") if isinstance(writer, dict) else None
        have = f"tsseq {version('tsseq')} reads up to format {FORMAT}"
        raise ValueError(f"it was written in format {found} by tsseq {by}, and {have}: pip install --upgrade tsseq")


def _content(archive: zipfile.ZipFile, name: str) -> bytes:
    member = archive.getinfo(name)
    if member.compress_type != zipfile.ZIP_STORED or member.compress_size != member.file_size:
        raise ValueError(f"{name} is compressed, which no member of a model file is")
    return archive.read(member)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
