"""The language of claims: comparisons of arithmetic over cells of tables.

    table3.mop.teleport_realroute > 1.8 * table3.mdn.teleport_realroute and table3.mop.teleport_precision >= 0.42

A cell is `table.row.column`, a deviation over seeds `table.row.column.sd`. Python's parser reads the text and nothing
of it is ever executed: every node is copied into the terms below when it is on the list, and refused when it is not.
There are no powers, no strings, no calls but mean and abs, and a name is only looked up in a dictionary of cells.
`abs(a - b) <= 0.05` says how near two numbers are; abs stands nowhere else, and there is no max or min: noise alone
makes the largest of some estimates larger, so that no interval of it could be read. Write one comparison for each.
"""

import ast
import functools
import operator
import re
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np

from jepa.errors import JepaError

LONGEST = 400  # characters of an expression
DEEPEST = 20  # terms inside one another
LARGEST = 1e9  # of a written number
QUOTED = 60  # characters of an expression that an error repeats
OPERATORS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
COMPARISONS = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}
MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
WITHIN = "within"  # symbol of `abs(left) <= right`
ALLOWED = (
    "allowed are cells (table.row.column, or table.row.column.sd), numbers, + - * /, mean(...), < <= > >=, `and`, and "
    "abs(...) <= number"
)
NAMED = {  # what people try, in words
    ast.Attribute: "an attribute of something that is no name",
    ast.BoolOp: "`or`, or an `and` inside an expression",
    ast.Compare: "a comparison inside arithmetic",
    ast.Dict: "a dictionary",
    ast.DictComp: "a comprehension",
    ast.GeneratorExp: "a comprehension",
    ast.IfExp: "a condition",
    ast.JoinedStr: "a formatted string",
    ast.Lambda: "a lambda",
    ast.List: "a list",
    ast.ListComp: "a comprehension",
    ast.NamedExpr: "an assignment",
    ast.Set: "a set",
    ast.SetComp: "a comprehension",
    ast.Starred: "a starred argument",
    ast.Subscript: "a subscript",
    ast.Tuple: "a tuple",
}


@dataclass(frozen=True)
class Cell:
    """A cell by the identifiers of its table, row and column; with `sd` its deviation over seeds instead."""

    table: str
    row: str
    column: str
    sd: bool = False


@dataclass(frozen=True)
class Call:
    """An operator or a function on terms; a term is a Call, a Cell or a float."""

    function: str
    arguments: tuple


@dataclass(frozen=True)
class Comparison:
    """`left symbol right`; right is free of cells where one of the two is. WITHIN: right bounds the size of left."""

    left: object
    symbol: str
    right: object
    text: str


def identifier(key):
    """A key of a table as an identifier: `K = 3` is K_3, `separation .1` is separation_0_1."""
    return re.sub(r"[^0-9A-Za-z]+", "_", re.sub(r"(?<!\d)\.(?=\d)", "0.", key)).strip("_")


def parse(text, known, claim):
    """The comparisons of an expression, in its order.

    known: {table: {row: {column: anything}}} by identifiers. claim: the id that errors name. Raises JepaError in one
    sentence that names the claim, the offending part and what is allowed.
    """
    reader = _Reader(text, known, claim)
    return reader.comparisons()


def cells_of(term):
    """Every Cell in a term, or in both sides of a Comparison, once."""
    if isinstance(term, Comparison):
        term = Call("", (term.left, term.right))
    if isinstance(term, Cell):
        return [term]
    if isinstance(term, Call):
        return list(dict.fromkeys(cell for argument in term.arguments for cell in cells_of(argument)))
    return []


def evaluate(term, values):
    """The value of a term. values: {Cell: float or array of draws}, arrays all of one length."""
    if isinstance(term, Cell):
        return np.asarray(values[term], dtype=float)
    if isinstance(term, Call):
        with np.errstate(all="ignore"):  # a measured zero in a denominator gives inf or NaN, which the verdict reads
            return _APPLIED[term.function](*(evaluate(argument, values) for argument in term.arguments))
    return np.float64(term)


_APPLIED = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "negative": operator.neg,
    "mean": lambda *values: functools.reduce(operator.add, values) / len(values),
}


class _Reader:
    """Copies a syntax tree into terms, node by node."""

    def __init__(self, text, known, claim):
        self.text, self.known, self.claim = " ".join(str(text).split()), known, claim

    def refuse(self, problem):
        raise JepaError(f"Claim {self.claim}: {problem}.")

    def source(self, node):
        return ast.get_source_segment(self.text, node) or self.text

    def quote(self, node):
        part = self.source(node)
        return f"`{part if len(part) <= QUOTED else part[: QUOTED - 3] + '...'}`"

    def comparisons(self):
        start = self.text[: QUOTED - 3] + "..." * (len(self.text) > QUOTED - 3)
        if len(self.text) > LONGEST:
            self.refuse(f"`{start}` has {len(self.text)} characters; at most {LONGEST} are allowed")
        if not self.text.isascii():
            self.refuse(f"`{start}` has a character outside ASCII; {ALLOWED}")
        try:
            tree = ast.parse(self.text, mode="eval").body
        except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
            reason = getattr(error, "msg", None) or "it is nested too deeply"
            self.refuse(f"`{start}` cannot be read ({reason}); {ALLOWED}")
        joined = isinstance(tree, ast.BoolOp) and isinstance(tree.op, ast.And)
        return [found for part in (tree.values if joined else [tree]) for found in self.compared(part)]

    def compared(self, node):
        """The comparisons of one chain, such as `0.02 < a < b`."""
        if not isinstance(node, ast.Compare):
            self.refuse(f"{self.quote(node)} compares nothing, but a claim is true or false; {ALLOWED}")
        if any(isinstance(side, ast.Call) and self.name_of(side) == "abs" for side in (node.left, *node.comparators)):
            return [self.within(node)]
        terms = [self.term(side, 1) for side in (node.left, *node.comparators)]
        found = []
        for left, operation, right in zip(terms, node.ops, terms[1:], strict=False):
            if type(operation) not in COMPARISONS:
                self.refuse(
                    f"{self.quote(node)} compares by something else than < <= > >=; for equality say how near, "
                    "such as abs(a - b) <= 0.01"
                )
            symbol = COMPARISONS[type(operation)]
            if not cells_of(left) and not cells_of(right):
                self.refuse(f"{self.quote(node)} compares two numbers, so that nothing is measured; name a cell")
            if not cells_of(left):
                left, symbol, right = right, MIRRORED[symbol], left
            if not cells_of(right) and not np.isfinite(evaluate(right, {})):
                self.refuse(f"{self.quote(node)} compares with something that is not a finite number; {ALLOWED}")
            found.append(Comparison(left, symbol, right, self.source(node)))
        return found

    def within(self, node):
        """`abs(term) <= number`."""
        call = node.left
        known = isinstance(call, ast.Call) and self.name_of(call) == "abs" and len(call.args) == 1 and not call.keywords
        if not known or len(node.ops) > 1 or not isinstance(node.ops[0], ast.Lt | ast.LtE):
            self.refuse(f"{self.quote(node)} has abs elsewhere than in abs(a - b) <= number; {ALLOWED}")
        left, right = self.term(call.args[0], 2), self.term(node.comparators[0], 1)
        if not cells_of(left) or cells_of(right) or not 0 <= evaluate(right, {}) < np.inf:
            self.refuse(f"{self.quote(node)} must compare abs of cells with a number that is not negative; {ALLOWED}")
        return Comparison(left, WITHIN, right, self.source(node))

    @staticmethod
    def name_of(call):
        return call.func.id if isinstance(call.func, ast.Name) else ""

    def term(self, node, depth):
        if depth > DEEPEST:
            self.refuse(f"{self.quote(node)} stands inside more than {DEEPEST} others; split the claim")
        match node:
            case ast.Constant():
                return self.number(node)
            case ast.Name() | ast.Attribute():
                return self.cell(node)
            case ast.UnaryOp(op=ast.USub()):
                return Call("negative", (self.term(node.operand, depth + 1),))
            case ast.BinOp() if type(node.op) in OPERATORS:
                parts = tuple(self.term(side, depth + 1) for side in (node.left, node.right))
                return self.divided(node, Call(OPERATORS[type(node.op)], parts))
            case ast.Call():
                return self.called(node, depth)
        self.refuse(f"{self.quote(node)} is {NAMED.get(type(node), 'not of the language')}; {ALLOWED}")

    def number(self, node):
        if type(node.value) not in (int, float) or not abs(node.value) <= LARGEST:
            self.refuse(f"{self.quote(node)} is no number up to {LARGEST:.0e}; {ALLOWED}")
        return float(node.value)

    def divided(self, node, call):
        if call.function == "/" and not cells_of(call.arguments[1]) and evaluate(call.arguments[1], {}) == 0:
            self.refuse(f"{self.quote(node)} divides by zero; divide by a cell or by another number")
        return call

    def called(self, node, depth):
        if self.name_of(node) != "mean":
            self.refuse(f"{self.quote(node)} calls something else than mean, or abs inside; {ALLOWED}")
        if node.keywords or not node.args:
            self.refuse(f"{self.quote(node)} must give mean one argument or more, without a keyword")
        return Call("mean", tuple(self.term(argument, depth + 1) for argument in node.args))

    def cell(self, node):
        parts, inner = [], node
        while isinstance(inner, ast.Attribute):
            parts.insert(0, inner.attr)
            inner = inner.value
        if not isinstance(inner, ast.Name):
            self.refuse(f"{self.quote(node)} is {NAMED[ast.Attribute]}; {ALLOWED}")
        parts.insert(0, inner.id)
        there = self.known
        for number, (kind, part) in enumerate(zip(("table", "row", "column"), parts, strict=False)):
            if part not in there:
                near = get_close_matches(part, there, n=1, cutoff=0)
                where = ".".join(parts[:number]) or "this paper"
                self.refuse(
                    f"{self.quote(node)} names the {kind} `{part}`, which {where} has not; the nearest is `{near[0]}`"
                )
            there = there[part]
        if len(parts) < 3 or parts[3:] not in ([], ["sd"]):
            self.refuse(f"{self.quote(node)} is no cell; write table.row.column, or table.row.column.sd")
        return Cell(*parts[:3], sd=len(parts) > 3)
