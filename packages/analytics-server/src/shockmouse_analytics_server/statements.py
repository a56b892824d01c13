"""The text of a migration: its statements, and the marks that are filled for one node or for a cluster.

{{on_cluster}}                  nothing                | ON CLUSTER `name`
{{local}}                       nothing                | _local, the part of a table that one shard holds
{{MergeTree}}                   MergeTree              | ReplicatedMergeTree; so Summing(…), Aggregating, Replacing(…)
{{EverywhereMergeTree}}         MergeTree              | the same with all rows on every shard; so the others
{{distributed(table, key)}}     no statement           | create table over the shards' table_local, sharded by key
{{cut(table)}} {{backfill(…)}}   before a statement, nothing on both: how it is run, see backfill.py
"""

import re
from collections.abc import Iterator

# Strings and quoted names with both kinds of escape, comments (block comments nest), and what ends a statement.
TOKEN = re.compile(
    r"""'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.|"")*"|`(?:[^`\\]|\\.|``)*`"""
    r"""|--[^\n]*|\#[ !][^\n]*|/\*|\$(\w*)\$.*?\$\1\$|;""",
    re.DOTALL,
)
BLOCK = re.compile(r"/\*|\*/")
MARK = re.compile(r"\{\{(\w+)(?:\(([^{}]*)\))?\}\}")
MANNER = re.compile(r"\{\{(cut|backfill)\((\w+)\)\}\}\s*")
ENGINES = {
    "MergeTree": "MergeTree",
    "Summing": "SummingMergeTree",
    "Aggregating": "AggregatingMergeTree",
    "Replacing": "ReplacingMergeTree",
}


def split(text: str) -> list[str]:
    """Return the statements in order, each without its semicolon and without comments around it.

    Raises ValueError: a string or a comment does not end.
    """
    statements, start, blank = [], 0, True
    for begin, end, comment in _tokens(text):
        if text[begin:end] == ";":
            if not blank:
                statements.append(_bare(text[start:begin]))
            start, blank = end, True
        elif comment:
            continue
        else:
            blank = False
    if not blank:
        raise ValueError(f"the last statement does not end with a semicolon: {text[start:].strip()[:80]!r}")
    return statements


def _tokens(text: str) -> Iterator[tuple[int, int, bool]]:
    """Yield start, end and whether it is a comment, of every string, comment, semicolon and stretch of other text."""
    at = 0
    while match := TOKEN.search(text, at):
        yield from _plain(text, at, match.start())
        end = _block_end(text, match.end()) if match[0] == "/*" else match.end()
        yield match.start(), end, match[0].startswith(("--", "#", "/*"))
        at = end
    yield from _plain(text, at, len(text))


def _plain(text: str, start: int, end: int) -> Iterator[tuple[int, int, bool]]:
    piece = text[start:end]
    if any(quote in piece for quote in "'\"`"):
        raise ValueError(f"a string does not end: {piece.strip()[:80]!r}")
    if piece.strip():
        yield start, end, False


def _block_end(text: str, at: int) -> int:
    depth = 1
    for match in BLOCK.finditer(text, at):
        depth += 1 if match[0] == "/*" else -1
        if depth == 0:
            return match.end()
    raise ValueError("a comment does not end")


def _bare(statement: str) -> str:
    """Return the statement from its first word to its last."""
    spans = [(begin, end) for begin, end, comment in _tokens(statement) if not comment]
    return statement[spans[0][0] : spans[-1][1]].strip()


def fill(statement: str, cluster: str | None) -> str:
    """Return the SQL for one node, or for the cluster of this name; empty when there is nothing to run.

    Raises ValueError: a mark is not known.
    """
    text = MANNER.sub("", statement)
    return MARK.sub(lambda mark: _filled(mark[1], mark[2] or "", cluster), text).strip()


def manner(statement: str) -> tuple[str, str]:
    """Return `cut` or `backfill` and the table it is of; both empty for a statement that is simply run."""
    match = MANNER.match(statement)
    return (match[1], match[2]) if match else ("", "")


def _filled(name: str, inside: str, cluster: str | None) -> str:
    if name == "on_cluster":
        return f"on cluster `{cluster}`" if cluster else ""
    if name == "local":
        return "_local" if cluster else ""
    if name == "distributed":
        return _distributed(inside, cluster) if cluster else ""
    everywhere = name.startswith("Everywhere")
    engine = ENGINES.get(name.removeprefix("Everywhere"))
    if engine is None:
        raise ValueError(f"the mark {name} is not known")
    if not cluster:
        return f"{engine}({inside})" if inside else engine
    place = "'/clickhouse/tables/everywhere/{database}/{table}', '{shard}-{replica}'" if everywhere else ""
    return f"Replicated{engine}({', '.join(filter(None, (place, inside)))})"


def _distributed(inside: str, cluster: str | None) -> str:
    table, key = (part.strip() for part in inside.split(",", 1))
    return (
        f"create table if not exists {table} on cluster `{cluster}` as {table}_local\n"
        f"engine = Distributed('{cluster}', currentDatabase(), '{table}_local', {key})"
    )
