"""Everything that an object keeps in memory, as a reader of the process or of a pickle could see it.

The walk follows attributes, slots, containers, closures, bound and partial functions, caches of functions, generators, weak references
and thread-local storage; arrays to their whole buffer (including spare capacity and parts outside a view); tensors to their whole
storage, with gradients and autograd graphs; class attributes; and, for the packages named, the data of the modules that define the
classes encountered. Modules, code and the globals of functions are not part of a model; memory internal to C libraries is not visited.
"""

from __future__ import annotations

import array as arrays
import functools
import gc
import mmap
import sys
import threading
import types
import weakref
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]

PACKAGES = ("clients",)
"""Packages whose modules' own data count as caches of the models they define."""

_CODE = (types.ModuleType, types.CodeType, property, staticmethod, classmethod)
_PLAIN = (str, bool, complex, type(None), type(Ellipsis), type(NotImplemented), np.dtype)
_FOREIGN = ("numba", "llvmlite", "ctypes", "_ctypes")
"""Packages whose objects are machinery, not data."""


@dataclass(frozen=True)
class Block:
    """One block of memory and its path.

    Parameters
    ----------
    path : str
        Such as ``model.grove.values``.
    raw : uint8 array, shape (n,)
        All bytes of the buffer; for numbers in containers, these numbers as float64 or int64.
    array : array, optional
        The array as the object sees it, if it is one.
    """

    path: str
    raw: Bytes
    array: npt.NDArray[Any] | None = None


def blocks(root: object, name: str = "model", packages: tuple[str, ...] = PACKAGES) -> Iterator[Block]:
    """Yield every block of memory reachable from an object once, in an order that depends on the object only.

    Parameters
    ----------
    root : object
    name : str
        First part of the paths.
    packages : tuple of str
        Top-level packages whose modules' data are also searched if an instance of one of their classes is found. Third parties add
        their own.
    """
    kept: dict[int, object] = {}  # keeps visited objects alive, so that no id is reused
    waiting: list[tuple[str, object]] = [(name, root)]
    modules: set[str] = set()
    while waiting:
        path, thing = waiting.pop()
        if id(thing) in kept or isinstance(thing, _PLAIN) or _top(type(thing)) in _FOREIGN:
            continue
        kept[id(thing)] = thing
        yield from _own(path, thing)
        found = list(_children(path, thing, packages))
        where = type(thing).__module__
        if where.split(".")[0] in packages and where not in modules:
            modules.add(where)
            found.extend(_globals(where))
        waiting.extend(reversed(found))


def _top(kind: type) -> str:
    return str(kind.__module__).split(".")[0]


def _own(path: str, thing: object) -> Iterator[Block]:
    """Yield the memory of one object itself."""
    if isinstance(thing, np.ndarray):
        if not thing.dtype.hasobject:
            yield Block(path, _buffer(thing), thing)
    elif isinstance(thing, bytes | bytearray | memoryview | arrays.array | mmap.mmap):
        yield Block(path, np.frombuffer(memoryview(thing).cast("B"), np.uint8))
    elif isinstance(thing, np.generic):
        yield Block(path, np.frombuffer(thing.tobytes(), np.uint8))
    elif (storage := _storage(thing)) is not None:
        yield Block(path, storage, thing.detach().cpu().numpy() if _is_dense(thing) else None)  # type: ignore[attr-defined]
    elif isinstance(thing, list | tuple | set | frozenset | Mapping):
        numbers = [*thing, *thing.values()] if isinstance(thing, Mapping) else list(thing)
        floats = [value for value in numbers if type(value) is float]
        integers = [value for value in numbers if type(value) is int and -(2**63) <= value < 2**63]
        for values in (np.array(floats, np.float64), np.array(integers, np.int64)):
            if len(values):
                yield Block(f"{path}{{{values.dtype}}}", values.view(np.uint8), values)
    elif type(thing) is float:
        yield Block(path, np.array([thing]).view(np.uint8))


def _buffer(given: npt.NDArray[Any]) -> Bytes:
    """Return all bytes of the buffer that an array lies in."""
    owner = given
    while isinstance(owner.base, np.ndarray):
        owner = owner.base
    if owner.base is not None:
        try:
            return np.frombuffer(memoryview(owner.base).cast("B"), np.uint8)
        except (TypeError, ValueError, BufferError):
            pass  # a foreign owner, such as a tensor, whose storage is visited separately
    inward = owner.transpose(np.argsort([-abs(step) for step in owner.strides], kind="stable")) if owner.ndim > 1 else owner
    return np.ascontiguousarray(inward).reshape(-1).view(np.uint8)


def _is_dense(thing: Any) -> bool:
    return thing.layout is sys.modules["torch"].strided and thing.dtype is not sys.modules["torch"].bfloat16


def _storage(thing: object) -> Bytes | None:
    """Return all bytes of a tensor's storage; None for other objects."""
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(thing, torch.Tensor) or thing.layout is not torch.strided:
        return None
    empty = torch.empty(0, dtype=torch.uint8, device=thing.device)
    raw: Bytes = empty.set_(thing.untyped_storage()).cpu().numpy()
    return raw


def _children(path: str, thing: object, packages: tuple[str, ...]) -> Iterator[tuple[str, object]]:
    """Yield the objects that an object refers to, each with its path."""
    if isinstance(thing, type):
        yield from _of_class(path, thing, packages)
    elif isinstance(thing, types.FunctionType):
        yield from _of_function(path, thing)
    elif isinstance(thing, types.BuiltinFunctionType):
        yield f"{path}.__self__", thing.__self__ if not isinstance(thing.__self__, types.ModuleType) else None
    elif isinstance(thing, np.ndarray):
        yield f"{path}.base", thing.base
        if thing.dtype.hasobject:
            yield from ((f"{path}.flat[{i}]", value) for i, value in enumerate(thing.ravel().tolist()))
        yield from _attributes(path, thing)
    elif isinstance(thing, memoryview):
        yield f"{path}.obj", thing.obj
    elif isinstance(thing, weakref.ref):
        yield f"{path}()", thing()
    elif not isinstance(thing, _CODE):
        yield from _contents(path, thing)
        yield from _attributes(path, thing)
        yield from _gradients(path, thing)
        named = isinstance(thing, dict | list | tuple)
        rest = () if named or isinstance(thing, threading.local) else gc.get_referents(thing)
        yield from ((f"{path}~{i}", value) for i, value in enumerate(rest) if not isinstance(value, _CODE))
        yield f"{path}.__class__", type(thing)


def _contents(path: str, thing: object) -> Iterator[tuple[str, object]]:
    if isinstance(thing, dict):
        for i, (key, value) in enumerate(list(thing.items())):
            yield f"{path}[{key!r}]" if isinstance(key, str | int) else f"{path}[#{i}]", value
            yield f"{path}.keys[{i}]", key
    elif isinstance(thing, list | tuple):
        names = getattr(thing, "_fields", ())
        for i, value in enumerate(thing):
            yield f"{path}.{names[i]}" if len(names) == len(thing) else f"{path}[{i}]", value
    elif isinstance(thing, functools.partial):
        yield from ((f"{path}.func", thing.func), (f"{path}.args", thing.args), (f"{path}.keywords", thing.keywords))


def _attributes(path: str, thing: object) -> Iterator[tuple[str, object]]:
    try:
        own = vars(thing)
    except TypeError:
        own = {}
    yield from ((f"{path}.{name}", value) for name, value in list(own.items()))
    for kind in type(thing).__mro__:
        for name, slot in list(vars(kind).items()):
            if isinstance(slot, types.MemberDescriptorType) and kind.__module__ != "builtins":
                try:
                    yield f"{path}.{name}", slot.__get__(thing)
                except AttributeError:
                    continue  # an empty slot


def _gradients(path: str, thing: object) -> Iterator[tuple[str, object]]:
    """Yield what a tensor or a node of an autograd graph keeps in addition to its values."""
    torch = sys.modules.get("torch")
    if torch is None:
        return
    if isinstance(thing, torch.Tensor):
        yield f"{path}.grad", thing.grad if thing.is_leaf else None
        yield f"{path}.grad_fn", thing.grad_fn
        if thing.layout is not torch.strided:
            parts = ("_indices", "_values") if thing.layout is torch.sparse_coo else ("crow_indices", "col_indices", "values")
            yield from ((f"{path}.{name}()", getattr(thing, name)()) for name in parts)
    elif isinstance(thing, torch.UntypedStorage):
        yield f"{path}.bytes", torch.empty(0, dtype=torch.uint8, device=thing.device).set_(thing)
    elif hasattr(type(thing), "next_functions"):
        for name in dir(thing):
            if name.startswith(("_saved", "saved", "variable", "next_functions")):
                try:
                    yield f"{path}.{name}", getattr(thing, name)
                except RuntimeError:
                    continue  # freed after the backward pass


def _of_function(path: str, function: types.FunctionType) -> Iterator[tuple[str, object]]:
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield f"{path}<{name}>", cell.cell_contents
        except ValueError:
            continue  # a name that is not bound yet
    yield f"{path}.__defaults__", function.__defaults__
    yield f"{path}.__kwdefaults__", function.__kwdefaults__
    yield f"{path}.__dict__", vars(function)


def _of_class(path: str, kind: type, packages: tuple[str, ...]) -> Iterator[tuple[str, object]]:
    """Yield the attributes of a class and its bases, unless it belongs to the standard library or an installed library."""
    if _top(kind) in sys.stdlib_module_names or (_installed(kind) and _top(kind) not in packages):
        return
    for name, value in list(vars(kind).items()):
        inner = value.__func__ if isinstance(value, staticmethod | classmethod) else value
        if not name.startswith("__") and not isinstance(inner, property):
            yield f"{path}.{name}", inner
    yield from ((f"{path}.__bases__", base) for base in kind.__bases__)


def _installed(kind: type) -> bool:
    file = getattr(sys.modules.get(kind.__module__), "__file__", None)
    return file is None or "site-packages" in file


def _globals(where: str) -> Iterator[tuple[str, object]]:
    """Yield a module's own data and its own functions, which may cache data; imported objects are skipped."""
    for name, value in list(vars(sys.modules[where]).items()):
        code = isinstance(value, types.ModuleType | type) or name.startswith("__")
        if (not code and getattr(value, "__module__", where) == where) or isinstance(value, threading.local):
            yield f"{where}.{name}", value
