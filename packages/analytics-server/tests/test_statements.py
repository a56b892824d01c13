"""The tokenizer of migrations: a semicolon in a string, name or comment ends nothing."""

import pytest

from shockmouse_analytics_server.statements import fill, split


@pytest.mark.parametrize(
    ("text", "statements"),
    [
        ("", []),
        (" -- only a comment;\n/* ; */\n", []),
        ("select 1;", ["select 1"]),
        ("select 1; select 2;", ["select 1", "select 2"]),
        (";;select 1;;", ["select 1"]),
        ("-- head;\nselect 1 -- tail;\n;", ["select 1"]),
        ("select 'a;b';", ["select 'a;b'"]),
        ("select 'it''s;', 'it\\'s;', '\\\\';select 2;", ["select 'it''s;', 'it\\'s;', '\\\\'", "select 2"]),
        ('select "a;b", `c;``d;`;', ['select "a;b", `c;``d;`']),
        ("select 1 /* ; /* nested; */ ; */ + 1;", ["select 1 /* ; /* nested; */ ; */ + 1"]),
        ("select 1 -- it's\n+ 1;", ["select 1 -- it's\n+ 1"]),
        ("# it's;\nselect 1;", ["select 1"]),
        ("select $tag$ ; ' $tag$;", ["select $tag$ ; ' $tag$"]),
        ("select '-- no comment;' as a;", ["select '-- no comment;' as a"]),
        ("select '\n;\n' ;\n-- the end\n", ["select '\n;\n'"]),
    ],
)
def test_statements_are_split(text, statements):
    assert split(text) == statements


@pytest.mark.parametrize("text", ["select 1", "select 'a;", "select 1 /* ;", 'select "a;', "select 1; select 2"])
def test_text_that_does_not_end_is_refused(text):
    with pytest.raises(ValueError, match="not end"):
        split(text)


@pytest.mark.parametrize(
    ("text", "one_node", "cluster"),
    [
        ("t{{local}} {{on_cluster}}", "t", "t_local on cluster `main`"),
        ("{{MergeTree}}", "MergeTree", "ReplicatedMergeTree()"),
        ("{{Summing(a, b)}}", "SummingMergeTree(a, b)", "ReplicatedSummingMergeTree(a, b)"),
        (
            "{{EverywhereReplacing(version)}}",
            "ReplacingMergeTree(version)",
            "ReplicatedReplacingMergeTree('/clickhouse/tables/everywhere/{database}/{table}', '{shard}-{replica}', "
            "version)",
        ),
        (
            "{{distributed(t, cityHash64(a))}}",
            "",
            "create table if not exists t on cluster `main` as t_local\n"
            "engine = Distributed('main', currentDatabase(), 't_local', cityHash64(a))",
        ),
    ],
)
def test_marks_are_filled(text, one_node, cluster):
    assert (fill(text, None), fill(text, "main")) == (one_node, cluster)


def test_an_unknown_mark_is_refused():
    with pytest.raises(ValueError, match="Sorting"):
        fill("engine = {{Sorting}}", None)
