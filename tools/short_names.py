"""Short names for what the browser script itself declares, found without a parser of the whole language.

Variable   a name that the source declares (`const`, `let`, parameters, `catch`, patterns) wherever it is no property:
           neither after a dot nor before the colon of an object. One name becomes one short name, whatever the scope
Shared     what the outermost function declares is known everywhere; what a statement of it declares inside itself is
           known there only, so the next statement uses the same short names again
Condition  no name that is declared is the browser's too, as `location` is: the browser tests drive the script
           as it is served
"""

import itertools
import re
import string
from collections import Counter
from collections.abc import Iterator, Sequence

PAIRS = {")": "(", "]": "[", "}": "{"}
# A brace after one of these opens an object or a pattern, after another word or sign a block.
BEFORE_OBJECT = {"(", ",", "=", ":", "[", "?", "&", "|", ".", "return", "const", "let"}
VARIABLES = ("const", "let")
LETTERS = "etnaoirscdlupmhgfvbykxwqjz" + string.ascii_uppercase + "_$"  # frequent ones first, which pack better
INNER_LETTERS = 11  # kept for what only one statement knows

_is_name = re.compile(r"[A-Za-z_$]").match


def shorten(texts: Sequence[str]) -> list[str]:
    """Return the tokens, which hold neither comments nor white space, with short names."""
    brackets, depths = partners(texts), list(depth_of_each(texts))
    own, shared = set[str](), set[str]()
    for begin, place in declared(texts, brackets):
        own.add(texts[place])
        if depths[begin] == 2 and texts[begin] in VARIABLES:
            shared.add(texts[place])
    objects = in_object(texts, brackets)
    variables = [place for place, text in enumerate(texts) if text in own and not is_property(texts, place, objects)]
    taken = set(texts) - own
    pairs = map("".join, itertools.product(LETTERS, repeat=2))
    free = [name for name in itertools.chain(LETTERS, pairs) if name not in taken]
    outer = by_use([texts[place] for place in variables if texts[place] in shared], free[INNER_LETTERS:])
    rest = [name for name in free if name not in outer.values()]
    result = list(texts)
    for statement in statements(texts, depths, variables):
        inner = by_use([texts[place] for place in statement if texts[place] not in shared], rest)
        for place in statement:
            short = (outer | inner)[texts[place]]
            is_both = place in objects and texts[place - 1] in "{," and texts[place + 1] in ",}="
            result[place] = f"{texts[place]}:{short}" if is_both else short  # { name } stands for { name: name }
    return result


def by_use(names: Sequence[str], free: Sequence[str]) -> dict[str, str]:
    """Return a short name for each of the names, the most used first."""
    return dict(zip((name for name, _ in Counter(names).most_common()), free, strict=False))


def partners(texts: Sequence[str]) -> dict[int, int]:
    """Return for the place of each bracket that opens where it closes, and the other way round."""
    found, opened = {}, []
    for place, text in enumerate(texts):
        if text in PAIRS.values():
            opened.append(place)
        elif text in PAIRS:
            begin = opened.pop()
            found[begin], found[place] = place, begin
    return found


def depth_of_each(texts: Sequence[str]) -> Iterator[int]:
    """Yield in how many brackets each token stands."""
    depth = 0
    for text in texts:
        depth -= text in PAIRS
        yield depth
        depth += text in PAIRS.values()


def statements(texts: Sequence[str], depths: Sequence[int], variables: Sequence[int]) -> Iterator[list[int]]:
    """Yield the places of the variables in groups: a group begins where the outermost function declares something."""
    begins = (place for place, text in enumerate(texts) if text in VARIABLES and depths[place] == 2)
    begin = 0
    for end in (*begins, len(texts)):
        yield [place for place in variables if begin <= place < end]
        begin = end


def declared(texts: Sequence[str], brackets: dict[int, int]) -> Iterator[tuple[int, int]]:
    """Yield pairs of places: of what declares, such as `let` or `=>`, and of a name that it declares."""
    for begin, text in enumerate(texts):
        places: Iterator[int] = iter(())
        if text in VARIABLES:
            places = declarations(texts, brackets, begin + 1)
        elif text in ("function", "catch") and texts[begin + 1] == "(":
            places = bound(texts, begin + 1, brackets[begin + 1])
        elif text == "=>":
            places = bound(texts, brackets[begin - 1] if texts[begin - 1] == ")" else begin - 1, begin)
        yield from ((begin, place) for place in places)


def declarations(texts: Sequence[str], brackets: dict[int, int], place: int) -> Iterator[int]:
    """Yield where names stand between `const` or `let` and the end of its statement; further ones follow a comma."""
    while True:
        end = brackets.get(place, place)
        yield from bound(texts, place, end + 1)
        place = end + 1
        while place < len(texts) and texts[place] not in {",", *PAIRS, *VARIABLES}:
            place = brackets.get(place, place) + 1
        if place >= len(texts) or texts[place] != ",":
            return
        place += 1


def bound(texts: Sequence[str], begin: int, end: int) -> Iterator[int]:
    """Yield where the pattern or the parameters between these places declare a name."""
    for place in range(begin, end):
        is_first = place == begin or texts[place - 1] in "({[,:."
        if is_first and _is_name(texts[place]) and texts[place + 1] != ":":
            yield place


def in_object(texts: Sequence[str], brackets: dict[int, int]) -> set[int]:
    """Return the places that stand directly in the braces of an object or a pattern."""
    found: set[int] = set()
    for place, text in enumerate(texts):
        if text == "{" and place and texts[place - 1] in BEFORE_OBJECT:
            inside = place + 1
            while inside < brackets[place]:
                found.add(inside)
                inside = brackets.get(inside, inside) + 1
    return found


def is_property(texts: Sequence[str], place: int, objects: set[int]) -> bool:
    """Return whether the name there is that of a property."""
    if place and texts[place - 1] == ".":
        return list(texts[max(place - 3, 0) : place]) != [".", ".", "."]
    return place in objects and texts[place - 1] in "{," and texts[place + 1] == ":"
