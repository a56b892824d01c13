"""A server that takes batches as fast as they come and looks at none before the end: the yardstick of the client.

python -m tests.bench.sink     prints `{"port": …}`; when its input ends, `{"events": …, "distinct": …, "requests": …}`

Its one loop reads a request's head and body and answers 200; bodies are kept, and counted after the run.
"""

import asyncio
import gzip
import json
import re
import sys

LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
BODY = b'{"accepted":1,"duplicates":0,"rejected":[]}'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)

Taken = list[tuple[bool, bytes]]


async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, taken: Taken) -> None:
    """Answer the requests of one connection until it is closed."""
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            found = LENGTH.search(head)
            body = await reader.readexactly(int(found[1]) if found else 0)
            taken.append((b"\ncontent-encoding: gzip" in head.lower(), body))
            writer.write(ANSWER)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


def count(taken: Taken) -> dict[str, int]:
    """Return how many events came, and how many different ones."""
    events, ids = 0, set()
    for is_zipped, body in taken:
        told = json.loads(gzip.decompress(body) if is_zipped else body)["events"]
        events += len(told)
        ids.update(event["event_id"] for event in told)
    return {"events": events, "distinct": len(ids), "requests": len(taken)}


async def main() -> None:
    taken: Taken = []
    server = await asyncio.start_server(
        lambda reader, writer: take(reader, writer, taken), "127.0.0.1", 0, limit=1 << 21
    )
    async with server:
        print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
        await asyncio.to_thread(sys.stdin.read)
    print(json.dumps(count(taken)), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
