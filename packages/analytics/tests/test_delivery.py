"""Events reach the server, complete and in batches."""


def test_tracked_events_reach_the_server(client, server):
    analytics = client()
    analytics.track("Report exported", {"format": "pdf", "pages": 12})
    assert analytics.flush(timeout=10)
    (event,) = server.events
    assert (event["type"], event["name"], event["properties"]) == (
        "track",
        "Report exported",
        {"format": "pdf", "pages": 12},
    )
    assert event["seq"] == 1


def test_many(client, server):
    analytics = client()
    for number in range(5000):
        analytics.track("n", {"number": number})
    assert analytics.flush(timeout=20)
    assert sorted(e["properties"]["number"] for e in server.events) == list(range(5000))
