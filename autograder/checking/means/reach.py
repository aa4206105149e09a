"""What a learner's name can reach: its definition, and the definitions of the names mentioned there, as syntax."""

from __future__ import annotations

import ast
import builtins
import itertools
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from autograder.checking.means.syntax import parse

Function = ast.FunctionDef | ast.AsyncFunctionDef
_BUILTINS = frozenset(dir(builtins))
LONGEST, READ = 20_000, 500_000  # characters of a cell, and of all: their syntax takes a thousand times as much memory
_RUN_THE_REST = ("%%time", "%%capture", "%%prun")  # cell magics that run the rest of the cell as it is; %%timeit too


@dataclass(frozen=True)
class Site:
    """One node in reach: what it may be called in full, and the names through which it is reached.

    A path is dotted: `torch.autograd.grad` from an import, whatever its alias; `builtins.exec`; `here.helper` for a name
    that the cells define.
    """

    node: ast.AST
    paths: frozenset[str]
    called: frozenset[str]  # for a call, the paths of what is called
    own_methods: Collection[str]  # methods that classes in the cells define
    chain: tuple[str, ...]
    place: str


@dataclass(frozen=True)
class Binding:
    """How a name got its value: a definition, an expression, or an import (`path`). All empty: unknown, e.g. a parameter."""

    node: ast.AST | None = None
    path: str = ""
    at: int = 0  # which top-level statement, counted over all cells
    perhaps: bool = False  # under an `if` and the like: an earlier binding may still hold


@dataclass
class Scope:
    """The names bound in a function or at the top, and the scope around it."""

    names: dict[str, list[Binding]]
    parent: Scope | None = None


@dataclass
class Statement:
    """A statement at the top of a cell: what it binds, and which methods its classes define."""

    lines: list[str]  # of its cell
    bound: list[tuple[str, ast.AST | None, str, bool]]
    starred: list[str] = field(default_factory=list)
    methods: set[str] = field(default_factory=set)


@dataclass
class Cells:
    """The learner's cells, read: what is bound at the top."""

    top: Scope = field(default_factory=lambda: Scope({}))
    starred: list[str] = field(default_factory=list)
    lines: dict[int, list[str]] = field(default_factory=dict)  # by number of a top-level statement
    methods: set[str] = field(default_factory=set)
    count: Iterator[int] = field(default_factory=itertools.count)


def walk(cells: Sequence[str], name: str, judged: Collection[str] = ()) -> Iterator[Site]:
    """All nodes in reach of `name`; of two definitions the later one counts. Names in `judged` are not entered."""
    read = _read(tuple(cells))
    reach = _Reach(read, set(judged) - {name})
    for binding in reach.lookup(name, read.top, None):
        if binding.path and not binding.path.startswith("builtins."):  # imported under this name
            yield Site(ast.Name(name), frozenset({binding.path}), frozenset(), read.methods, (name,), "")
        reach.enter(binding, (name,))
    yield from reach.drain()


def defined(cells: Sequence[str], name: str) -> bool:
    """Whether the text of the cells says how `name` got its value."""
    read = _read(tuple(cells))
    return bool(_Reach(read, set()).lookup(name, read.top, None))


# ------------------------------------------------------------------------------------------ reading cells


@lru_cache(4)
def _read(cells: tuple[str, ...]) -> Cells:
    """The cells, read as if each had run once, the last time that it did: a notebook keeps what has run a hundred times."""
    read = Cells()
    for source in reversed(list(_latest(cells))):
        for one in _statements(source):
            at = next(read.count)
            read.lines[at] = one.lines
            for name, node, path, perhaps in one.bound:
                read.top.names.setdefault(name, []).append(Binding(node, path, at, perhaps))
            read.starred += one.starred
            read.methods |= one.methods
    return read


def _latest(cells: Sequence[str]) -> Iterator[str]:
    """Each cell once, the latest first, but for those that are too long to be read, and up to READ characters in all."""
    total = 0
    for source in dict.fromkeys(reversed(cells)):
        total += len(source) if len(source) <= LONGEST else 0
        if total > READ:
            return
        if len(source) <= LONGEST:
            yield source


@lru_cache(512)  # a notebook reads all its cells again at each check
def _statements(source: str) -> list[Statement]:
    tree, lines = _parse(source)
    return [_statement(one, lines) for one in tree.body]


def _statement(statement: ast.stmt, lines: list[str]) -> Statement:
    read = Statement(lines, list(_bound([statement])))
    for node in ast.walk(statement):
        if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
            read.starred.append(node.module or "")
        if isinstance(node, ast.ClassDef):
            read.methods |= {item.name for item in node.body if isinstance(item, Function)}
    return read


def _parse(source: str) -> tuple[ast.Module, list[str]]:
    """A cell's syntax; what is no Python (a magic, a broken line that never ran) or nested too deep is left out."""
    if source.lstrip().startswith(_RUN_THE_REST):
        source = "#" + source.lstrip()
    try:
        return parse(source), source.split("\n")
    except (RecursionError, MemoryError):
        return ast.Module([], []), []
    except (SyntaxError, UnicodeEncodeError):
        pass
    try:
        from IPython.core.inputtransformer2 import TransformerManager

        source = TransformerManager().transform_cell(source)
        return parse(source), source.split("\n")
    except (SyntaxError, UnicodeEncodeError, ImportError, RecursionError, MemoryError):
        return ast.Module([], []), []


def _bound(statements: Sequence[ast.stmt], perhaps: bool = False) -> Iterator[tuple[str, ast.AST | None, str, bool]]:
    """(name, node, path, perhaps) for each name that the statements bind, not entering functions and classes."""
    for one in statements:
        if isinstance(one, Function | ast.ClassDef):
            yield one.name, one, "", perhaps
            continue
        if isinstance(one, ast.Import):
            for alias in one.names:
                root = alias.name.partition(".")[0]
                yield alias.asname or root, None, alias.name if alias.asname else root, perhaps
        elif isinstance(one, ast.ImportFrom):
            for alias in one.names:
                yield alias.asname or alias.name, None, f"{one.module or ''}.{alias.name}", perhaps
        elif isinstance(one, ast.Assign):
            for target in one.targets:
                yield from _targets(target, one.value, perhaps)
        elif isinstance(one, ast.AnnAssign) and one.value is not None:
            yield from _targets(one.target, one.value, perhaps)
        elif isinstance(one, ast.AugAssign):
            yield from _targets(one.target, one.value, True)
        elif isinstance(one, ast.For | ast.AsyncFor):
            yield from _targets(one.target, None, perhaps)
        elif isinstance(one, ast.With | ast.AsyncWith):
            for item in one.items:
                if item.optional_vars is not None:
                    yield from _targets(item.optional_vars, None, perhaps)
        elif isinstance(one, ast.Match):
            for node in ast.walk(one):
                if isinstance(node, ast.MatchAs | ast.MatchStar) and node.name:
                    yield node.name, None, "", True
        for value in ast.walk(one):
            if isinstance(value, ast.NamedExpr):
                yield from _targets(value.target, value.value, True)
        inside = perhaps or not isinstance(one, ast.With | ast.AsyncWith)
        for block in ("body", "orelse", "finalbody"):
            yield from _bound(getattr(one, block, []) or [], inside)
        for part in [*getattr(one, "handlers", []), *getattr(one, "cases", [])]:
            if getattr(part, "name", None):
                yield part.name, None, "", True
            yield from _bound(part.body, True)


def _targets(target: ast.expr, value: ast.AST | None, perhaps: bool) -> Iterator[tuple[str, ast.AST | None, str, bool]]:
    if isinstance(target, ast.Name):
        yield target.id, value, "", perhaps
    elif isinstance(target, ast.Tuple | ast.List):
        values = value.elts if isinstance(value, ast.Tuple | ast.List) else []
        for i, item in enumerate(target.elts):
            yield from _targets(item, values[i] if len(values) == len(target.elts) else value, perhaps)
    elif isinstance(target, ast.Starred):
        yield from _targets(target.value, value, perhaps)
    elif isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name):
        yield target.value.id, value, "", True  # tools["grad"] = ...


# ------------------------------------------------------------------------------------------ following names


class _Reach:
    """A walk from definition to definition."""

    def __init__(self, read: Cells, judged: set[str]):
        self.read, self.judged = read, judged
        self.waiting: list[tuple[ast.AST, int, tuple[str, ...]]] = []
        self.seen: set[int] = set()

    def enter(self, binding: Binding, chain: tuple[str, ...]) -> None:
        """Put a definition on the list of what is still to be read."""
        if binding.node is not None and id(binding.node) not in self.seen:
            self.seen.add(id(binding.node))
            self.waiting.append((binding.node, binding.at, chain))

    def drain(self) -> Iterator[Site]:
        while self.waiting:
            node, at, chain = self.waiting.pop(0)
            yield from self.visit(node, self.read.top, at, at, chain)

    def lookup(self, name: str, scope: Scope, before: int | None) -> list[Binding]:
        """The bindings that `name` may have in `scope`; at the top, those made before statement `before` (None: at the end)."""
        around: Scope | None = scope
        while around is not None:
            made = around.names.get(name, [])
            if around.parent is None and before is not None:
                made = [binding for binding in made if binding.at < before]
            live: list[Binding] = []
            for binding in reversed(made):
                live.append(binding)
                if not binding.perhaps:
                    break
            if live and (around.parent is not None or not all(binding.perhaps for binding in live)):
                return live
            if around.parent is None:
                paths = [f"{module}.{name}" for module in self.read.starred]
                if name in _BUILTINS:
                    paths.append(f"builtins.{name}")
                return live + [Binding(path=path) for path in paths]
            around = around.parent
        return []

    def paths(self, node: ast.AST, scope: Scope, before: int | None, depth: int = 0) -> frozenset[str]:
        """What an expression may be called in full; empty if its value is not a name of a module, a builtin or a definition."""
        if depth > 12:
            return frozenset()
        if isinstance(node, ast.Name):
            found: set[str] = set()
            for binding in self.lookup(node.id, scope, before):
                if binding.path:
                    found.add(binding.path)
                elif isinstance(binding.node, Function | ast.ClassDef):
                    found.add(f"here.{node.id}")
                elif binding.node is not None:
                    inner = self.read.top if node.id not in scope.names else scope
                    found |= self.paths(
                        binding.node, inner, binding.at if inner is self.read.top else before, depth + 1
                    )
            return frozenset(found)
        if isinstance(node, ast.Attribute):
            return frozenset(f"{path}.{node.attr}" for path in self.paths(node.value, scope, before, depth + 1))
        if isinstance(node, ast.IfExp):
            return self.paths(node.body, scope, before, depth + 1) | self.paths(node.orelse, scope, before, depth + 1)
        if isinstance(node, ast.Call) and len(node.args) >= 2 and isinstance(node.args[1], ast.Constant):
            name = node.args[1].value
            if isinstance(name, str) and "builtins.getattr" in self.paths(node.func, scope, before, depth + 1):
                base = self.paths(node.args[0], scope, before, depth + 1)
                return frozenset(f"{path}.{name}" for path in base)
        return frozenset()

    def site(
        self, node: ast.AST, paths: frozenset[str], called: frozenset[str], at: int, chain: tuple[str, ...]
    ) -> Site:
        line = getattr(node, "lineno", 0)
        lines = self.read.lines.get(at, [])
        text = lines[line - 1].strip() if 0 < line <= len(lines) else ""
        return Site(node, paths, called, self.read.methods, chain, f"line {line} of the cell: {text}" if text else "")

    def visit(
        self, node: ast.AST, scope: Scope, before: int | None, at: int, chain: tuple[str, ...], inner: bool = False
    ) -> Iterator[Site]:
        """Sites in `node`. `inner`: the base of a dotted name, whose full name has been judged."""
        if isinstance(node, Function | ast.Lambda):
            yield from self.function(node, scope, before, at, chain)
            return
        if isinstance(node, ast.ClassDef):
            for part in [*node.decorator_list, *node.bases, *(keyword.value for keyword in node.keywords)]:
                yield from self.visit(part, scope, before, at, chain)
            inside = Scope(_grouped(node.body), scope)
            for statement in node.body:
                around = scope if isinstance(statement, Function) else inside
                yield from self.visit(statement, around, before, at, chain)
            return
        if isinstance(node, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
            targets = [found for part in node.generators for found in _targets(part.target, None, False)]
            scope = Scope({name: [Binding()] for name, *_ in targets}, scope)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            paths = self.paths(node, scope, before)
            yield self.site(node, frozenset() if inner else paths, frozenset(), at, chain)
            self.follow(node.id, scope, before, chain)
            return
        if isinstance(node, ast.Attribute):
            paths = frozenset() if inner else self.paths(node, scope, before)
            yield self.site(node, paths, frozenset(), at, chain)
            yield from self.visit(node.value, scope, before, at, chain, inner=inner or bool(paths))
            return
        if isinstance(node, ast.Constant) and isinstance(node.value, complex):
            yield self.site(node, frozenset(), frozenset(), at, chain)
        if isinstance(node, ast.Call):
            yield self.site(node, self.paths(node, scope, before), self.paths(node.func, scope, before), at, chain)
        for name, value in ast.iter_fields(node):
            if name not in ("annotation", "returns"):
                for part in value if isinstance(value, list) else [value]:
                    if isinstance(part, ast.AST):
                        yield from self.visit(part, scope, before, at, chain)

    def function(
        self, node: Function | ast.Lambda, scope: Scope, before: int | None, at: int, chain: tuple[str, ...]
    ) -> Iterator[Site]:
        """Decorators and defaults are evaluated where the function is defined, its body when it is called."""
        arguments = node.args
        for part in [*getattr(node, "decorator_list", []), *arguments.defaults, *arguments.kw_defaults]:
            if part is not None:
                yield from self.visit(part, scope, before, at, chain)
        every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
        body = node.body if isinstance(node.body, list) else [node.body]
        local = {} if isinstance(node, ast.Lambda) else _grouped(node.body)
        for name in _elsewhere(body):
            local.pop(name, None)
        for argument in every:
            if argument is not None:
                local.setdefault(argument.arg, []).append(Binding())
        own = Scope(local, scope)
        for part in body:
            yield from self.visit(part, own, None, at, chain)

    def follow(self, name: str, scope: Scope, before: int | None, chain: tuple[str, ...]) -> None:
        """Put what a mentioned name is bound to at the top on the list; what is bound nearer has been read in place."""
        around: Scope | None = scope
        while around is not None and around.parent is not None:
            if name in around.names:
                return
            around = around.parent
        if name not in self.judged:
            for binding in self.lookup(name, self.read.top, before):
                self.enter(binding, (*chain, name) if name not in chain else chain)


def _grouped(body: Sequence[ast.stmt]) -> dict[str, list[Binding]]:
    names: dict[str, list[Binding]] = {}
    for name, node, path, _ in _bound(body):
        names.setdefault(name, []).append(Binding(node, path, perhaps=True))
    return names


def _elsewhere(body: Sequence[ast.AST]) -> set[str]:
    """Names that a function declares global or nonlocal."""
    return {
        name
        for part in body
        for node in ast.walk(part)
        if isinstance(node, ast.Global | ast.Nonlocal)
        for name in node.names
    }
