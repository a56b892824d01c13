"""Processes that fork deliver everything once, whoever tracked it."""

import pytest

DELIVER = "from shockmouse_analytics import Analytics\nassert Analytics().deliver_stored(30)\n"


def names(server):
    tracked = [event for event in server.events if event["name"] != "imported"]
    return sorted((event["name"], event["properties"]["number"]) for event in tracked)


def expected(children, events=20):
    who = ["parent", *(f"child {child}" for child in range(children))]
    return sorted((name, number) for name in who for number in range(events))


def test_a_fork_after_the_first_events_delivers_all_and_none_twice(program, server):
    ended = program.run(
        """
import os
from shockmouse_analytics import Analytics
analytics = Analytics()
for number in range(20):
    analytics.track("parent", {"number": number})
children = []
for child in range(3):
    pid = os.fork()
    if pid == 0:
        for number in range(20):
            analytics.track(f"child {child}", {"number": number})
        assert analytics.flush(20)
        os._exit(0)
    children.append(pid)
for pid in children:
    assert os.waitpid(pid, 0)[1] == 0
assert analytics.flush(20)
"""
    )
    assert ended.code == 0, ended.errors
    assert names(server) == expected(3)
    boots = {event["boot_id"] for event in server.events}
    assert len(boots) == 4
    assert len({event["event_id"] for event in server.events}) == 80


@pytest.mark.parametrize("milliseconds", [0, 0.3, 1, 2, 4])
def test_a_fork_while_another_thread_makes_the_first_event_hangs_nobody(program, server, milliseconds):
    """Every module is loaded on the first event: a lock held for that in the parent is for ever the child's."""
    ended = program.run(
        f"""
import os, sys, threading, time
from shockmouse_analytics import Analytics
analytics = Analytics()
threading.Thread(target=lambda: analytics.track("parent", {{"number": 0}})).start()
time.sleep({milliseconds} / 1000)
pid = os.fork()
if pid == 0:
    analytics.track("child 0", {{"number": 0}})
    assert analytics.flush(20)
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
assert analytics.flush(20)
"""
    )
    assert (ended.code, "Traceback" in ended.errors) == (0, False), ended.errors
    assert names(server) == expected(1, events=1)


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing_children_deliver_without_flushing(program, server, tmp_path, method):
    script = tmp_path / "workers.py"
    script.write_text(
        f"""
import multiprocessing
from shockmouse_analytics import Analytics

analytics = Analytics()
if __name__ != "__main__":
    analytics.track("imported")  # while a child that is not forked is made ready

def work(child):
    for number in range(20):
        analytics.track(f"child {{child}}", {{"number": number}})

if __name__ == "__main__":
    for number in range(20):
        analytics.track("parent", {{"number": number}})
    context = multiprocessing.get_context({method!r})
    workers = [context.Process(target=work, args=(child,)) for child in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
"""
    )
    ended = program.run(f"import runpy; runpy.run_path({str(script)!r}, run_name='__main__')")
    assert ended.code == 0, ended.errors
    assert program.run(DELIVER).code == 0
    imported = [event for event in server.events if event["name"] == "imported"]
    assert len(imported) == (0 if method == "fork" else 3)
    assert names(server) == expected(3)


def test_a_client_made_before_the_fork_serves_preloaded_workers(program, server):
    ended = program.run(
        """
import os, sys
from shockmouse_analytics import Analytics
analytics = Analytics()  # as gunicorn's preload does: made, but not used by the parent
children = []
for child in range(3):
    pid = os.fork()
    if pid == 0:
        for number in range(20):
            analytics.track(f"child {child}", {"number": number})
        sys.exit(0)
    children.append(pid)
for pid in children:
    assert os.waitpid(pid, 0)[1] == 0
for number in range(20):
    analytics.track("parent", {"number": number})
"""
    )
    assert (ended.code, ended.complaints) == (0, [])
    assert program.run(DELIVER).code == 0
    assert names(server) == expected(3)
