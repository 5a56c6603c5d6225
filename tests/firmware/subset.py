"""What the device's Python lacks, found in source text.

Knows syntax trees. Truth: a probe of MicroPython 1.29 (unix); the build options of the smaller
ports: MicroPython ports/samd/mcu/samd21/mpconfigmcu.h, CircuitPython ports/atmel-samd/
mpconfigport.mk and py/circuitpy_mpconfig.h; docs/device-link.md, "Portable subset".
"""

import ast

# Of any Python of a device.
MODULES = frozenset({"array", "binascii", "math", "micropython", "os", "select", "struct", "sys"})
MODULES |= {"time"}
# Only where one interpreter or board is meant.
HAL_MODULES = MODULES | {"machine", "termios", "tty"}
# CircuitPython on a SAMD21: no json, re, binascii, asyncio, errno, io; select only with asyncio.
SAMD21_MODULES = frozenset({"array", "math", "micropython", "os", "struct", "sys", "time"})
SAMD21_MODULES |= {"analogio", "board", "busio", "digitalio", "microcontroller", "onewireio"}
SAMD21_MODULES |= {"supervisor", "usb_cdc"}
# What exists for a type checker only; an import of it costs a failing look-up or the start.
TYPING = frozenset({"typing", "collections", "circuitpython_typing", "_typeshed"})

METHODS = {"removeprefix", "removesuffix", "clear", "hex_from", "fromhex", "crc_hqx", "isascii"}
# Of small builds (MicroPython's basic features, CircuitPython without CIRCUITPY_FULL_BUILD).
SMALL_METHODS = {"center", "partition", "rpartition", "splitlines"}
SMALL_NAMES = {"complex", "frozenset", "NotImplemented"}
SMALL_INT_MAX = 0x3FFFFFFF  # some boards have no others: CircuitPython with LONGINT_IMPL = NONE
FORBIDDEN = {
    ast.Match: "match",
    ast.TryStar: "except*",
    ast.JoinedStr: "f-string",
    ast.AsyncFunctionDef: "async",
    ast.Await: "await",
    ast.AsyncFor: "async",
    ast.AsyncWith: "async",
    ast.NamedExpr: "walrus",
}


def problems(source, modules=MODULES, *, long_ints=True, asynchronous=False):
    """Return `line: what` for each construct that a device may not have.

    `long_ints`: whether the board has integers beyond 30 bits. `asynchronous`: whether the port has
    asyncio; only a wrapper may ask for that.
    """
    tree = ast.parse(source)
    unseen = _typing_only(tree) | _with_fallback(tree)
    found = []
    for node in ast.walk(tree):
        if id(node) in unseen:
            continue
        line = getattr(node, "lineno", 0)
        found += [f"{line}: {what}" for what in _of(node, modules, asynchronous)]
        if not long_ints and _is_long(node):
            found.append(f"{line}: integer beyond 30 bits")
    return found


def _typing_only(tree):
    """Return the ids of all nodes under `if TYPE_CHECKING:`; its else branch is not among them.

    An annotation is one too: MicroPython does not evaluate it.
    """
    ids = set()
    for node in ast.walk(tree):
        guard = isinstance(node, ast.If) and isinstance(node.test, ast.Name)
        if guard and node.test.id == "TYPE_CHECKING":
            ids.update(id(inner) for statement in node.body for inner in ast.walk(statement))
        annotation = getattr(node, "annotation", None) or getattr(node, "returns", None)
        if annotation is not None:
            ids.update(id(inner) for inner in ast.walk(annotation))
    return ids


def _with_fallback(tree):
    """Return the ids of imports that a board may lack, because `except ImportError` does without.

    A handler that only passes is no fallback: the name would be missing when it is used.
    """
    ids = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.Try) or not any(map(_replaces, node.handlers)):
            continue
        for statement in node.body:
            if isinstance(statement, ast.Import | ast.ImportFrom) and not _of_typing(statement):
                ids.add(id(statement))
    return ids


def _replaces(handler):
    caught = handler.type
    return (
        isinstance(caught, ast.Name)
        and caught.id == "ImportError"
        and not all(isinstance(statement, ast.Pass) for statement in handler.body)
    )


def _of_typing(statement):
    names = (
        [statement.module or ""]
        if isinstance(statement, ast.ImportFrom)
        else [name.name for name in statement.names]
    )
    return any(name.split(".")[0] in TYPING for name in names)


def _is_long(node):
    return (
        isinstance(node, ast.Constant)
        and type(node.value) is int
        and not -SMALL_INT_MAX - 1 <= node.value <= SMALL_INT_MAX
    )


def _of(node, modules, asynchronous):
    if type(node) in FORBIDDEN and not (asynchronous and FORBIDDEN[type(node)][:1] == "a"):
        yield FORBIDDEN[type(node)]
    if isinstance(node, ast.Import):
        yield from (f"import {name.name}" for name in node.names if name.name not in modules)
    if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module not in modules:
        yield f"import {node.module}"
    if isinstance(node, ast.arguments) and node.posonlyargs:
        yield "positional-only /"
    if isinstance(node, ast.Delete) and any(_is_slice(target) for target in node.targets):
        yield "del of a slice"
    if isinstance(node, ast.Attribute) and node.attr in METHODS | SMALL_METHODS:
        yield node.attr
    if isinstance(node, ast.Name) and node.id in SMALL_NAMES:
        yield node.id
    if isinstance(node, ast.Call):
        yield from _of_call(node)
    if isinstance(node, ast.Raise) and node.cause is not None:
        yield "raise from"
    if isinstance(node, (ast.Tuple, ast.List)) and isinstance(node.ctx, ast.Load):
        yield from ("star in a display" for item in node.elts if isinstance(item, ast.Starred))
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        yield from ("decorator" for item in node.decorator_list if not _is_property(item))
    if isinstance(node, (ast.Module, ast.ClassDef)):
        functions = [item for item in node.body if isinstance(item, ast.FunctionDef)]
        own = "self" if isinstance(node, ast.ClassDef) else ""
        yield from ("recursion" for function in functions if _calls_itself(function, own))


def _of_call(call):
    if any(word.arg == "signed" for word in call.keywords):
        yield "signed="
    if isinstance(call.func, ast.Name) and call.func.id == "pow" and len(call.args) == 3:
        yield "pow with three arguments"


def _is_property(decorator):
    return isinstance(decorator, ast.Name) and decorator.id == "property"


def _is_slice(target):
    return isinstance(target, ast.Subscript) and isinstance(target.slice, ast.Slice)


def _calls_itself(function, own):
    """Return whether a function calls its name, or a method self's method of its name."""
    name = f"{own}.{function.name}".lstrip(".")
    calls = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
    return any(ast.unparse(call.func) == name for call in calls)
