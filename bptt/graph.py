"""The graph that autograd recorded, walked backwards from a tensor, and the picture of an unrolled graph."""

import re
from collections.abc import Iterable, Mapping

import torch
from matplotlib.axes import Axes

from bptt.figures import BLUE, GREEN, INK, ORANGE, PURPLE, VERMILION

Edge = tuple[str, str]


def operations(tensor: torch.Tensor) -> dict:
    """Every recorded operation that ``tensor`` rests on, with the operations that each of them came from.

    Keys and values are autograd's own nodes (``tensor.grad_fn`` and what its ``next_functions`` lead to); the order is
    that of a walk which starts at ``tensor``. A leaf shows as a node of type ``AccumulateGrad``.
    Source: https://docs.pytorch.org/docs/stable/notes/autograd.html
    """
    came_from: dict = {}
    waiting = [tensor.grad_fn] if tensor.grad_fn is not None else []
    while waiting:
        node = waiting.pop()
        if node not in came_from:
            came_from[node] = [source for source, _ in node.next_functions if source is not None]
            waiting.extend(came_from[node])
    return came_from


def depth(tensor: torch.Tensor, kind: str = "Tanh") -> int:
    """The largest number of operations of one kind that lie one behind the other in the graph of ``tensor``.

    ``kind`` is the beginning of autograd's name for the operation: ``"Tanh"`` for ``torch.tanh``. 0 without a graph.
    """
    came_from = operations(tensor)
    deepest: dict = {}
    for node in in_order(came_from):
        below = max((deepest[source] for source in came_from[node]), default=0)
        deepest[node] = below + node.name().startswith(kind)
    return deepest[tensor.grad_fn] if came_from else 0


def recorded_edges(tensor: torch.Tensor, leaves: Mapping[str, torch.Tensor], kind: str = "Tanh") -> set[Edge]:
    """The recorded graph seen from afar: only operations of one kind and the named leaves, and who feeds whom.

    The operations are called ``h1``, ``h2``, … in the order in which the forward pass ran them; every other operation
    (matrix products, sums, reshapes) is part of an arrow. Leaves that need no gradient were not recorded.
    """
    came_from = operations(tensor)
    names = {id(leaf): name for name, leaf in leaves.items()}
    leaf_nodes = [node for node in came_from if hasattr(node, "variable") and id(node.variable) in names]
    label = {node: names[id(node.variable)] for node in leaf_nodes}
    steps = sorted((node for node in came_from if node.name().startswith(kind)), key=lambda n: n._sequence_nr())
    label.update({node: f"h{number}" for number, node in enumerate(steps, 1)})
    edges = set()
    for step in steps:
        waiting, seen = list(came_from[step]), set()
        while waiting:
            node = waiting.pop()
            if node in label:
                edges.add((label[node], label[step]))
            elif node not in seen:
                seen.add(node)
                waiting.extend(came_from[node])
    return edges


def in_order(came_from: Mapping) -> list:
    """The nodes of a recorded graph, each after all those that it came from."""
    done: dict = {}
    for start in came_from:
        stack = [(start, False)]
        while stack:
            node, ready = stack.pop()
            if ready:
                done[node] = True
            elif node not in done:
                stack.append((node, True))
                stack.extend((source, False) for source in came_from[node] if source not in done)
    return list(done)


# Marker, its size in points and its colour, for each kind of node.
LOOKS = {
    "h": ("o", 23, BLUE),
    "h0": ("o", 23, INK),
    "x": ("s", 19, GREEN),
    "L": ("D", 17, VERMILION),
    "shared": ("h", 27, PURPLE),
}
ROWS = {"L": 0.95, "h": 0.0, "x": -0.8, "shared": -2.5}


def draw(ax: Axes, edges: Iterable[Edge], path: Iterable[Edge] = ()) -> None:
    """Draw an unrolled graph from its edges: losses above, states in a row, inputs under them, parameters below.

    Nodes are ``h0``, ``h1``, …, ``x1``, …, ``L1``, … and any other names, which stand for parameters. The edges in
    ``path`` are drawn thick and coloured, all others thin.
    """
    edges, path = ({(start, end) for start, end in arrows} for arrows in (edges, path))  # lists of two will do as well
    nodes = sorted({name for edge in edges for name in edge})
    shared = [name for name in reversed(nodes) if not re.fullmatch(r"[hxL]\d+", name)]
    T = max((int(name[1:]) for name in nodes if name not in shared), default=1)
    place = {name: place_of(name, shared, T) for name in nodes}
    for start, end in sorted(edges):
        chosen = (start, end) in path
        look = {"color": ORANGE, "lw": 3, "alpha": 1.0} if chosen else {"color": INK, "lw": 1.2, "alpha": 0.8}
        arrow = {"arrowstyle": "-|>", "shrinkA": 13, "shrinkB": 13, "mutation_scale": 12, **look}
        ax.annotate("", xy=place[end], xytext=place[start], arrowprops=arrow)
    for name, (right, up) in place.items():
        kind = "shared" if name in shared else "h0" if name == "h0" else name[0]
        marker, size, color = LOOKS[kind]
        ax.plot(right, up, marker, ms=size, mfc="none", mec=color, mew=1.8, zorder=3)
        ax.text(right, up, written(name), ha="center", va="center", color=INK, fontsize=10)
    ups = [up for _, up in place.values()]
    ax.set_xlim(-0.6, T + 0.6)
    ax.set_ylim(min(ups, default=0) - 0.5, max(ups, default=0) + 0.5)
    ax.set_axis_off()


def place_of(name: str, shared: list[str], T: int) -> tuple[float, float]:
    """Where a node is drawn: step t stands at t, shared parameters side by side under the middle.

    An input stands between two of the lines that fan out from the middle of the parameters, so that none crosses it.
    """
    middle = (T + 1) / 2
    if name in shared:
        apart = min(1.0, T / len(shared))
        return middle + apart * (shared.index(name) - (len(shared) - 1) / 2), ROWS["shared"]
    row, step = name[0], int(name[1:])
    if row != "x":
        return float(step), ROWS[row]
    outward = step - 0.5 if step <= middle else step + 0.5
    return middle + (outward - middle) * (1 - ROWS["x"] / ROWS["shared"]), ROWS["x"]


def written(name: str) -> str:
    """A node's name as it is written in a formula."""
    known = {"theta": r"$\theta$", "weight_ih": r"$W_{ih}$", "weight_hh": r"$W_{hh}$", "bias": "$b$"}
    return known.get(name) or re.sub(r"^([hxL])(\d+)$", r"$\1_{\2}$", name)
