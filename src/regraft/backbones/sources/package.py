"""Weights that an installed package carries: found by its metadata and read as data, never imported."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from regraft.core.errors import WeightsError
from regraft.core.files import sha256

if TYPE_CHECKING:
    from regraft.backbones.sources.base import R, Wanted


@dataclass(frozen=True)
class Package:
    """One version of a package and the file of weights in it: its path beside the other packages, its SHA-256 and its
    ``size`` in bytes. ``licence`` is that of the weights, ``origin`` who packed them, ``extra`` the group of regraft's
    that installs it.
    """

    name: str
    version: str
    file: str
    sha256: str
    size: int
    licence: str
    origin: str
    extra: str = "nets"

    @property
    def command(self) -> str:
        """What installs it."""
        return f"pip install 'regraft[{self.extra}]'"

    @property
    def exactly(self) -> str:
        """What puts this version in the place of what is installed."""
        return f"pip install --force-reinstall --no-deps '{self.name}=={self.version}'"


def installed(package: Package) -> Path | None:
    """Where the file of a package is; None where the package is not installed."""
    try:
        found = metadata.distribution(package.name)
    except metadata.PackageNotFoundError:
        return None
    return Path(str(found.locate_file(package.file)))


def problem(package: Package) -> str | None:
    """Why the installed package cannot be read, as a sentence; None where it can, or is not installed.

    The version and the file's length are looked at, see `checked` for its bytes.
    """
    path = installed(package)
    if path is None:
        return None
    version, exact = metadata.version(package.name), package.exactly
    if version != package.version:
        return f"The package {package.name} is here in version {version}; regraft reads {package.version}: {exact}."
    if not path.is_file():
        return f"The package {package.name} lacks its file {package.file}: {exact}."
    if (size := path.stat().st_size) != package.size:
        return f"{path} is not whole, it has {size:,} bytes where the package's has {package.size:,}: {exact}."
    return None


def checked(package: Package, path: Path) -> Path:
    """The file of an installed package; raises ``WeightsError`` where its SHA-256 is another than the published one."""
    found = sha256(path)
    if found != package.sha256:
        raise WeightsError(
            f"{path} is damaged: its SHA-256 is {found[:8]}... and that of {package.name} {package.version} is "
            f"{package.sha256[:8]}...: {package.exactly}."
        )
    return path


def find(rows: Sequence[R]) -> Iterator[tuple[R, Path]]:
    """The files of installed packages that `problem` finds nothing against."""
    for row in rows:
        if row.package is not None and problem(row.package) is None and (path := installed(row.package)) is not None:
            yield row, path


def offer(row: Wanted) -> str | None:
    """The command that installs the package."""
    return row.package.command if row.package else None


def origin(row: Wanted) -> str | None:
    """Who packed the weights."""
    return row.package.origin if row.package else None
