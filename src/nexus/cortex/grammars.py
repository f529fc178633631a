"""Definitions in source code, found by tree-sitter: what is named where, and what lies in what.

Runs in a process of its own only (`nexus.cortex.grammar_process`): a grammar is C code made for editors,
and a file of a few hundred kilobytes written to hurt can crash it or take gigabytes. Knows no tokens and
no sections. A grammar is imported when the first file of its language comes.
"""

from __future__ import annotations

import importlib
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tree_sitter import Language, Node, Query


class Definition(NamedTuple):
    """Lines `first` up to, not including, `last`, counted from 0. `holds` says that it is a class, a
    module or the like, whose own definitions may be taken one by one. `path` has its outer names."""

    first: int
    last: int
    path: tuple[str, ...]
    holds: bool


class Findings(NamedTuple):
    """The definitions of a file in the order of their lines; `broken` where the grammar met errors."""

    definitions: list[Definition]
    broken: bool


class Grammar(NamedTuple):
    """How a language is read: its module, the function in it, and what of it is a definition."""

    module: str
    function: str
    query: str


# `@around` is what stands around a definition and belongs to it: decorators, `export`, `template <...>`.
_FUNCTIONAL = "[(arrow_function) (function_expression) (class)]"
_SCRIPT = f"""
    (class_declaration name: (_) @name) @holder
    (function_declaration name: (_) @name) @leaf
    (generator_function_declaration name: (_) @name) @leaf
    (method_definition name: (_) @name) @leaf
    (lexical_declaration (variable_declarator name: (_) @name value: {_FUNCTIONAL})) @leaf
    (variable_declaration (variable_declarator name: (_) @name value: {_FUNCTIONAL})) @leaf
    (expression_statement (assignment_expression left: (_) @name right: {_FUNCTIONAL})) @leaf
    (export_statement) @around
"""
_TYPED = (
    _SCRIPT
    + """
    (abstract_class_declaration name: (_) @name) @holder
    (interface_declaration name: (_) @name) @leaf
    (enum_declaration name: (_) @name) @leaf
    (type_alias_declaration name: (_) @name) @leaf
    (internal_module name: (_) @name) @holder
    (module name: (_) @name) @holder
    (ambient_declaration) @around
"""
)
_C = """
    (function_definition declarator: (_) @name) @leaf
    (struct_specifier name: (_) @name body: (_)) @leaf
    (union_specifier name: (_) @name body: (_)) @leaf
    (enum_specifier name: (_) @name body: (_)) @leaf
    (type_definition declarator: (_) @name) @leaf
"""
_CPP = (
    _C.replace("(struct_specifier name: (_) @name body: (_)) @leaf", "")
    + """
    (struct_specifier name: (_) @name body: (_)) @holder
    (class_specifier name: (_) @name body: (_)) @holder
    (namespace_definition name: (_) @name) @holder
    (template_declaration) @around
"""
)
_PYTHON = Grammar(
    "tree_sitter_python",
    "language",
    """
    (class_definition name: (_) @name) @holder
    (function_definition name: (_) @name) @leaf
    (decorated_definition) @around
    """,
)
_JAVASCRIPT = Grammar("tree_sitter_javascript", "language", _SCRIPT)
_TYPESCRIPT = Grammar("tree_sitter_typescript", "language_typescript", _TYPED)
_TSX = Grammar("tree_sitter_typescript", "language_tsx", _TYPED)
_CPP_GRAMMAR = Grammar("tree_sitter_cpp", "language", _CPP)
_BASH = Grammar("tree_sitter_bash", "language", "(function_definition name: (_) @name) @leaf")
_GO = Grammar(
    "tree_sitter_go",
    "language",
    """
    (function_declaration name: (_) @name) @leaf
    (method_declaration receiver: (_) @owner name: (_) @name) @leaf
    (type_declaration (type_spec name: (_) @name)) @leaf
    """,
)
_RUST = Grammar(
    "tree_sitter_rust",
    "language",
    """
    (function_item name: (_) @name) @leaf
    (struct_item name: (_) @name) @leaf
    (enum_item name: (_) @name) @leaf
    (union_item name: (_) @name) @leaf
    (macro_definition name: (_) @name) @leaf
    (trait_item name: (_) @name) @holder
    (mod_item name: (_) @name body: (_)) @holder
    (impl_item !trait type: (_) @name) @holder
    (impl_item trait: (_) @trait type: (_) @name) @holder
    """,
)
_JAVA = Grammar(
    "tree_sitter_java",
    "language",
    """
    (class_declaration name: (_) @name) @holder
    (interface_declaration name: (_) @name) @holder
    (enum_declaration name: (_) @name) @holder
    (record_declaration name: (_) @name) @holder
    (annotation_type_declaration name: (_) @name) @leaf
    (method_declaration name: (_) @name) @leaf
    (constructor_declaration name: (_) @name) @leaf
    """,
)
_RUBY = Grammar(
    "tree_sitter_ruby",
    "language",
    """
    (class name: (_) @name) @holder
    (module name: (_) @name) @holder
    (method name: (_) @name) @leaf
    (singleton_method name: (_) @name) @leaf
    """,
)
_CSHARP = Grammar(
    "tree_sitter_c_sharp",
    "language",
    """
    (namespace_declaration name: (_) @name) @holder
    (class_declaration name: (_) @name) @holder
    (struct_declaration name: (_) @name) @holder
    (interface_declaration name: (_) @name) @holder
    (record_declaration name: (_) @name) @holder
    (enum_declaration name: (_) @name) @leaf
    (delegate_declaration name: (_) @name) @leaf
    (method_declaration name: (_) @name) @leaf
    (constructor_declaration name: (_) @name) @leaf
    """,
)
GRAMMARS: dict[str, Grammar] = {
    **dict.fromkeys((".py", ".pyi", ".pyw"), _PYTHON),
    **dict.fromkeys((".js", ".mjs", ".cjs", ".jsx"), _JAVASCRIPT),
    ".ts": _TYPESCRIPT,
    ".tsx": _TSX,
    ".go": _GO,
    ".rs": _RUST,
    ".c": Grammar("tree_sitter_c", "language", _C),
    # A header says nothing about its language; the C++ grammar reads most C too.
    **dict.fromkeys((".h", ".hh", ".hpp", ".cc", ".cpp", ".cxx", ".cu", ".cuh"), _CPP_GRAMMAR),
    ".java": _JAVA,
    **dict.fromkeys((".sh", ".bash"), _BASH),
    ".rb": _RUBY,
    ".cs": _CSHARP,
}
_NAME_LIMIT = 120


def find(source: bytes, suffix: str) -> Findings:
    """What a file defines. `source` is UTF-8. Raises `KeyError` for a suffix without a grammar."""
    from tree_sitter import Parser, QueryCursor

    language, query = _loaded(GRAMMARS[suffix])
    root = Parser(language).parse(source).root_node
    found: list[tuple[int, int, str, bool, str]] = []
    matches = [captures for _, captures in QueryCursor(query).matches(root)]
    # Looked up by what they hold: to ask a node for its parent is a search from the root of the tree.
    around: dict[int, Node] = {}
    for captures in matches:
        for node in captures.get("around", ()):
            around[node.named_child(node.named_child_count - 1).id] = node
    for captures in matches:
        holders = captures.get("holder", ())
        for node in holders or captures.get("leaf", ()):
            first, end = node.start_point[0], node.end_point
            last = max(end[0] + 1 if end[1] else end[0], first + 1)
            name, trait, owner = _text(captures["name"][0]), captures.get("trait"), captures.get("owner")
            name = f"{_text(trait[0])} for {name}" if trait else name
            while node.id in around:
                node = around[node.id]
                first = node.start_point[0]
            found.append((first, last, name, bool(holders), _receiver(owner[0]) if owner else ""))
    return Findings(_nested(found), root.has_error)


def _nested(found: list[tuple[int, int, str, bool, str]]) -> list[Definition]:
    """Paths by what lies in what. Of two definitions that begin on one line the outer one counts."""
    result: list[Definition] = []
    around: list[Definition] = []
    for first, last, name, holds, outer in sorted(found, key=lambda one: (one[0], -one[1])):
        while around and around[-1].last <= first:
            around.pop()
        if result and first == result[-1].first:
            continue
        if around and last > around[-1].last:  # half in, half out: a file that does not parse
            continue
        path = (*(around[-1].path if around else ()), *((outer,) if outer else ()), name)
        definition = Definition(first, last, path, holds)
        result.append(definition)
        around.append(definition)
    return result


@cache
def _loaded(grammar: Grammar) -> tuple[Language, Query]:
    from tree_sitter import Language, Query

    module = importlib.import_module(grammar.module)
    language = Language(getattr(module, grammar.function)())
    return language, Query(language, grammar.query)


def _text(node: Node) -> str:
    """The name that a node holds: of a C declarator the innermost one."""
    while (inner := node.child_by_field_name("declarator")) is not None:
        node = inner
    text = (node.text or b"").decode("utf-8", "replace")
    return " ".join(text[: 4 * _NAME_LIMIT].split())[:_NAME_LIMIT]


def _receiver(node: Node) -> str:
    """The type of a Go method: `T` of `(t *T)`."""
    words = _text(node).strip("()").split()
    return words[-1].lstrip("*").partition("[")[0] if words else ""
