"""Makes ``artifact``, ``service`` and ``training`` mean Trueline's packages, even where a user has such folders."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import module_from_spec
from pathlib import Path

NAMES = ("artifact", "service", "training")
ROOT = Path(__file__).resolve().parents[1]


def take_names() -> None:
    """Make the three names mean Trueline's packages in this process, whatever comes before them on the path.

    In a notebook, in a script and with ``python -m`` the user's folder comes first on the path. A package is loaded
    here only if the path leads to another one of its name.

    Raises:
        ImportError: one of the names is in use already, by a module of the user.
    """
    for name in NAMES:
        module = sys.modules.get(name)
        if module is None:
            spec = PathFinder.find_spec(name)
            if spec is None or not _is_own(name, spec.origin):
                _load(name)
        elif not _is_own(name, module.__file__):
            place = module.__file__ or ", ".join(map(str, module.__path__))
            raise ImportError(
                f"Expected the packages {', '.join(NAMES)} to be Trueline's. Received: '{name}' of {place}, imported "
                "before trueline. Rename it, or import trueline in a process that does not import it."
            )
    if not any(isinstance(finder, InTheWay) for finder in sys.meta_path):
        sys.meta_path.append(InTheWay())


class InTheWay:
    """The last finder of modules: it explains why a module in a user's package of the same name cannot be imported."""

    def find_spec(self, fullname: str, *_where: object) -> ModuleSpec | None:
        """Find nothing.

        Raises:
            ImportError: a package of Trueline hides a folder or file of the user, which has the same name.
        """
        name, _, inner = fullname.partition(".")
        if name not in NAMES or not inner:
            return None
        for other in _others(name, inner.partition(".")[0]):
            raise ImportError(
                f"Expected '{fullname}' in Trueline's package '{name}', which this process uses. Received: no such "
                f"module; {other} has the same name and is in the way. Rename it, or import it in a process that "
                "does not import trueline."
            )
        return None


def _is_own(name: str, file: str | None) -> bool:
    return file is not None and Path(file).resolve() == ROOT / name / "__init__.py"


def _load(name: str) -> None:
    """Load a package from Trueline's own folder."""
    spec = PathFinder.find_spec(name, [str(ROOT)])
    if spec is None or spec.loader is None:
        return
    module = sys.modules[name] = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise


def _others(name: str, inner: str) -> Iterator[Path]:
    """Folders and files of the user that have a name of Trueline and contain ``inner``, in the order of the path."""
    for entry in sys.path:
        folder = Path(entry).resolve() / name
        if folder == ROOT / name:
            continue
        if (folder / inner).is_dir() or (folder / f"{inner}.py").is_file() or _names(folder / "__init__.py", inner):
            yield folder
        elif _names(folder.with_suffix(".py"), inner):
            yield folder.with_suffix(".py")


def _names(file: Path, inner: str) -> bool:
    """Whether a module's text contains a name."""
    return file.is_file() and re.search(rf"\b{inner}\b", file.read_text(errors="replace")) is not None
