"""What the device's Python lacks, found in source text.

Knows syntax trees. Truth: a probe of MicroPython 1.29 (unix) and of the smaller ports' build
options; docs/device-link.md, "Portable subset".
"""

import ast

MODULES = {"array", "binascii", "math", "micropython", "os", "select", "struct", "sys", "time"}
# Only where one interpreter or board is meant.
HAL_MODULES = MODULES | {"machine", "termios", "tty"}
METHODS = {"removeprefix", "removesuffix", "clear", "hex_from", "fromhex", "crc_hqx", "isascii"}
FORBIDDEN = {
    ast.Match: "match",
    ast.TryStar: "except*",
    ast.JoinedStr: "f-string",
    ast.AsyncFunctionDef: "async",
    ast.NamedExpr: "walrus",
}


def problems(source, modules=frozenset(MODULES)):
    """Return `line: what` for each construct that a device may not have."""
    tree = ast.parse(source)
    typing_only = _typing_only(tree)
    found = []
    for node in ast.walk(tree):
        if id(node) not in typing_only:
            found += [f"{getattr(node, 'lineno', 0)}: {what}" for what in _of(node, modules)]
    return found


def _typing_only(tree):
    """Return the ids of all nodes under `if TYPE_CHECKING:`; its else branch is not among them."""
    ids = set()
    for node in ast.walk(tree):
        guard = isinstance(node, ast.If) and isinstance(node.test, ast.Name)
        if guard and node.test.id == "TYPE_CHECKING":
            for statement in node.body:
                ids.update(id(inner) for inner in ast.walk(statement))
    return ids


def _of(node, modules):
    if type(node) in FORBIDDEN:
        yield FORBIDDEN[type(node)]
    if isinstance(node, ast.Import):
        yield from (f"import {name.name}" for name in node.names if name.name not in modules)
    if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module not in modules:
        yield f"import {node.module}"
    if isinstance(node, ast.arguments) and node.posonlyargs:
        yield "positional-only /"
    if isinstance(node, ast.Delete) and any(_is_slice(target) for target in node.targets):
        yield "del of a slice"
    if isinstance(node, ast.Attribute) and node.attr in METHODS:
        yield node.attr
    if isinstance(node, ast.Call) and any(word.arg == "signed" for word in node.keywords):
        yield "signed="
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


def _is_property(decorator):
    return isinstance(decorator, ast.Name) and decorator.id == "property"


def _is_slice(target):
    return isinstance(target, ast.Subscript) and isinstance(target.slice, ast.Slice)


def _calls_itself(function, own):
    """Return whether a function calls its name, or a method self's method of its name."""
    name = f"{own}.{function.name}".lstrip(".")
    calls = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
    return any(ast.unparse(call.func) == name for call in calls)
