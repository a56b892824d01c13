"""The OpenAPI 3.1 document: every route, its parameters and answers.

Derived    names, kinds and bodies come from the modules that judge them; the rest is written by hand, and tests find
           what is missing or untrue
"""

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from . import __version__, admin
from .export import FORMATS
from .funnel import Funnel
from .paths import DIRECTIONS, STEPS
from .ranges import INTERVALS
from .retention import COHORTS
from .schemas import BATCH_BODY, SCHEMAS, STATUS, Node, named
from .totals import METRICS

WRITE_KEY: list[Node] = [{"writeKey": []}, {"writeKeyInQuery": []}]
READ_KEY: list[Node] = [{"readKey": []}, {"cookie": []}]
ADMIN_KEY: list[Node] = [{"adminKey": []}]
COOKIE: list[Node] = [{"cookie": []}]


def parameter(name: str, about: str, place: str = "query", **schema: object) -> Node:
    required = {"required": True} if place == "path" else {}
    return {"name": name, "in": place, "description": about, "schema": {"type": "string", **schema}, **required}


def answer(about: str, schema: Node | None = None, media_type: str = "application/json") -> Node:
    return {"description": about, "content": {media_type: {"schema": schema or {"type": "string"}}}}


def failures(*statuses: str) -> Node:
    return {status: answer(FAILURES[status], named("Error")) for status in statuses}


def question(summary: str, schema: Node, *parameters: Node) -> Node:
    """Return the path item of one question; what an address names may not be there."""
    answers = {"200": answer("The answer.", schema), **failures("400", "401", "403", "422", "503")}
    if ID in parameters:
        answers |= failures("404")
    return {
        "get": {
            "summary": summary,
            "security": READ_KEY,
            "parameters": [*COMMON, *parameters],
            "responses": answers,
        }
    }


FAILURES = {
    "400": "The request is not understood; the reason names what is wrong.",
    "401": "No key, or an unknown or revoked one.",
    "403": "A key of another kind.",
    "404": "There is no such thing in this project.",
    "408": "The request did not come in time.",
    "409": "The name is or was in use.",
    "410": "The link was used or is too old.",
    "413": "Over a limit.",
    "415": "Not JSON, or an encoding other than gzip.",
    "422": "The question needs more time, memory or rows than it may take.",
    "429": "Too much at once; Retry-After says when to come again.",
    "503": "Not now; Retry-After says when to come again. A sender keeps its batch.",
}
ID = parameter("id", "As lists give it.", "path")
LIMIT = parameter("limit", "Rows at most.", type="integer", minimum=1, maximum=1000, default=100)
CURSOR = parameter("cursor", "`next` of the page before.")
COMMON = [
    parameter("from", "Start, RFC 3339 or YYYY-MM-DD; 30 days before `to` when missing."),
    parameter("to", "End, not included; now when missing."),
    parameter("timezone", "IANA name; the project's when missing."),
    {
        **parameter("filter", "DIMENSION:OPERATOR:VALUE[|VALUE…], repeated; all must hold.", type="array"),
        "schema": {"type": "array", "items": {"type": "string"}},
        "explode": True,
    },
    parameter("bots", "Whether events of bots count.", enum=["exclude", "include", "only"], default="exclude"),
]


def ingestion() -> Node:
    answers = {
        "200": answer("The accepted events are on disk.", named("Accepted")),
        **failures("400", "401", "403", "408", "413", "415", "429", "503"),
    }
    return {
        "post": {
            "summary": "Send a batch of events, one event, or a list of them; gzip is understood.",
            "security": WRITE_KEY,
            "requestBody": BATCH_BODY,
            "responses": answers,
        }
    }


def open_page(summary: str, media_type: str = "text/html", schema: Node | None = None) -> Node:
    return {"get": {"summary": summary, "security": [], "responses": {"200": answer("Found.", schema, media_type)}}}


def pages() -> Node:
    """Return the path items of dashboard and operators."""
    return {
        "/": open_page("The dashboard."),
        "/agent.js": open_page("The browser script, with an ETag.", "text/javascript"),
        "/static/{version}/{name}": static_files(),
        "/sign-in": {"get": sign_in_by_link(), "post": sign_in_by_key()},
        **signed_in(),
        "/healthz": open_page("Alive.", "application/json", STATUS),
        "/readyz": {
            "get": {
                "summary": "Ready: an append and fsync just worked, projects and keys are loaded.",
                "security": [],
                "responses": {"200": answer("Ready.", STATUS), **failures("503")},
            }
        },
        "/metrics": open_page("Counters and gauges in Prometheus' text format.", "text/plain"),
        "/openapi.json": open_page("This document.", "application/json", {"type": "object"}),
    }


def static_files() -> Node:
    return {
        "get": {
            "summary": "The dashboard's files.",
            "security": [],
            "parameters": [
                parameter("version", "Of all files together; as the page names it.", "path"),
                parameter("name", "The file's name.", "path"),
            ],
            "responses": {"200": answer("The file.", media_type="*/*"), **failures("400", "404")},
        }
    }


def sign_in_by_link() -> Node:
    used = answer(FAILURES["410"] + " The page says so.", media_type="text/html")
    done = answer("Signed in: the cookie is set.", media_type="text/html")
    return {
        "summary": "Sign in by a one-time link.",
        "security": [],
        "parameters": [parameter("token", "The one-time token of `project link`.")],
        "responses": {"200": done, "410": used, **failures("429", "503")},
    }


def sign_in_by_key() -> Node:
    form = {"type": "object", "properties": {"key": {"type": "string"}}}
    return {
        "summary": "Sign in by a read key.",
        "security": [],
        "requestBody": {"required": True, "content": {"application/x-www-form-urlencoded": {"schema": form}}},
        "responses": {
            "303": {"description": "Signed in: the cookie is set."},
            **failures("400", "401", "403", "408", "413", "429", "503"),
        },
    }


def signed_in() -> Node:
    """Return the path items that only the dashboard's cookie opens."""

    def item(summary: str, found: Node, refused: str, *parameters: Node) -> Node:
        asked = {"parameters": [*parameters]} if parameters else {}
        return {"summary": summary, "security": COOKIE, **asked, "responses": {"200": found, **failures(refused)}}

    csrf = parameter("X-CSRF-Token", "`token` of /session.", "header")
    project = parameter("project", "Which of the projects signed in to; else the last.")
    single: Node = {"type": "object"}
    who = answer("Projects, their zones, token.", single)
    health = "What became of the project's events: for the dashboard."
    return {
        "/sign-out": {"post": item("Sign out.", answer("Signed out.", STATUS), "403", csrf)},
        "/session": {"get": item("Who is signed in to the dashboard.", who, "401")},
        "/data-health": {"get": item(health, answer("Counts.", single), "401", project)},
    }


def questions() -> Node:
    """Return the path items of the query API."""
    metric = parameter("metric", "What to count.", enum=list(METRICS), default="visitors")
    interval = parameter("interval", "Length.", enum=list(INTERVALS), default="day")
    cohort = parameter("interval", "Of cohorts.", enum=list(COHORTS), default="day")
    page = parameter("page", "A path; or give `event`.")
    happened = parameter("event", "A name; or give `page`.")
    direction = parameter("direction", "After or before.", enum=list(DIRECTIONS), default="next")
    steps = parameter("steps", "What a step may be.", enum=list(STEPS), default="all")
    compare = parameter("compare", "Adds the period before.", enum=["previous"])
    dimension = parameter("dimension", "A dimension, or property.NAME or user_property.NAME.")
    metrics = parameter("metrics", "Some of the metrics, with commas between.")
    offset = parameter("offset", "Rows to leave out.", type="integer", minimum=0, default=0)
    device = parameter("device_id", "Which device, where several used the id; else the latest.")
    single: Node = {"type": "object"}
    return {
        "/api/v1/stats": question("The project's totals.", named("Stats"), compare),
        "/api/v1/timeseries": question("A metric by time, empty intervals included.", named("List"), metric, interval),
        "/api/v1/breakdown": question(
            "Metrics by a dimension.", named("List"), {**dimension, "required": True}, metrics, LIMIT, offset
        ),
        "/api/v1/sessions": question("Sessions, the latest first.", named("List"), LIMIT, CURSOR),
        "/api/v1/sessions/{id}": question("A session with its events.", single, ID, device, LIMIT, CURSOR),
        "/api/v1/devices": question("Devices.", named("List"), LIMIT, CURSOR),
        "/api/v1/devices/summary": question("Device fingerprint statistics.", single, LIMIT),
        "/api/v1/devices/{id}": question("A device.", single, ID),
        "/api/v1/events": question("Events, the latest first.", named("List"), LIMIT, CURSOR),
        "/api/v1/realtime": question("The last five minutes; `limit` is of pages, 10 by default.", single, LIMIT),
        "/api/v1/properties": question("Names, types and examples of properties.", named("List"), LIMIT),
        "/api/v1/vitals": question("Percentiles of measures.", named("List"), dimension, LIMIT, offset),
        "/api/v1/funnel": funnel(),
        "/api/v1/retention": question("Who comes back, by cohort.", named("List"), cohort),
        "/api/v1/paths": question("Steps after or before.", named("List"), page, happened, direction, steps, LIMIT),
        "/api/v1/events/stream": stream(),
        "/api/v1/export": export(),
    }


def stream() -> Node:
    """Return the path item of the one answer that does not end."""
    last = {"name": "Last-Event-ID", "in": "header", "schema": {"type": "string"}, "description": "Go on after it."}
    asked = question("Events as they come: server-sent events.", {"type": "string"})["get"]
    asked["parameters"] = [last, *COMMON[2:]]
    asked["responses"]["200"] = answer("Messages of id, event and data.", media_type="text/event-stream")
    return {"get": asked}


def export() -> Node:
    """Return the path item of the answer that is a file."""
    form = parameter("format", "Of the file.", enum=list(FORMATS), default="jsonl")
    asked = question("The events of a range as stored, oldest first.", {"type": "string"}, form)["get"]
    kinds = [form.media_type.partition(";")[0] for form in FORMATS.values()]
    asked["responses"]["200"] = {
        "description": "The file.",
        "content": {kind: {"schema": {"type": "string"}} for kind in kinds},
    }
    return {"get": asked}


def funnel() -> Node:
    """Return the path item of the one question whose parameters stand in a body."""
    breakdown = parameter("breakdown", "A dimension of events, by the first event that fits the first step.")
    limit = parameter("limit", "Values of the breakdown at most.", **LIMIT["schema"])
    offset = parameter("offset", "Values to leave out.", type="integer", minimum=0, default=0)
    asked = question("How many take some steps in order, within a window.", named("List"), breakdown, limit, offset)[
        "get"
    ]
    asked["requestBody"] = {"required": True, "content": {"application/json": {"schema": named("Funnel")}}}
    asked["security"] = [{"readKey": []}]
    asked["responses"] |= failures("408", "413")
    return {"post": asked}


def administration() -> Node:
    """Return the path items of projects and keys; the bodies are those of admin.py."""
    name = parameter("name", "The project's name, that of the key's own.", "path")
    single: Node = {"type": "object"}

    def item(summary: str, body: str, *parameters: Node) -> Node:
        """Return the operation; one that has a body changes something."""
        told: Node = {"summary": summary, "security": ADMIN_KEY, "parameters": [*parameters]}
        statuses = ["400", "401", "403", "503"] + (["404"] if parameters else [])
        if body:
            told["requestBody"] = {
                "required": body != "Nothing",
                "content": {"application/json": {"schema": named(body)}},
            }
            statuses += ["408", "413"]
        return {**told, "responses": {"200": answer("Done.", single), **failures(*sorted(statuses))}}

    create = item("Create a project; only by a key of the first one.", "Creation")
    create["responses"] = {"201": answer("Its keys, shown once.", single), **create["responses"], **failures("409")}
    del create["responses"]["200"]
    return {
        "/api/v1/projects": {"get": item("The key's project.", ""), "post": create},
        "/api/v1/projects/{name}/keys": {
            "get": item("Its active keys, none but the write keys whole.", "", name),
            "post": item("Make a new key of a kind; the one before works until the next time.", "Rotation", name),
        },
        "/api/v1/projects/{name}/set": {"post": item("Change its settings.", "Setting", name)},
        "/api/v1/projects/{name}/link": {"post": item("A link that signs in once.", "Nothing", name)},
        "/api/v1/projects/{name}/delete": {"post": item("End it.", "Deletion", name)},
    }


def privacy() -> Node:
    """Return the path items about persons; the body is that of privacy.py."""
    single: Node = {"type": "object"}
    whom = (
        parameter("user_id", "A user, with aliases and the devices that are only theirs.", maxLength=256),
        parameter("device_id", "One device.", maxLength=64),
    )
    refused = failures("400", "401", "403", "503")

    def item(summary: str, answers: Node, *parameters: Node) -> Node:
        return {"summary": summary, "security": ADMIN_KEY, "parameters": [*parameters], "responses": answers}

    running = answer("It goes on; `progress` says where to look.", single)
    receipt = answer("The receipt: of each table the rows before, removed and left.", single)
    erase = item(
        "Delete everything about one user or device; answered when it is gone.",
        {"200": receipt, "202": running, **refused, **failures("408", "413")},
    )
    schema: Node = {
        "type": "object",
        "properties": {one["name"]: one["schema"] for one in whom},
        "additionalProperties": False,
    }
    erase["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    lines = answer("JSON Lines, the first a manifest.", None, "application/x-ndjson")
    progress = parameter("id", "As the erasure's answer names it.", "path")
    return {
        "/api/v1/privacy/erase": {"post": erase},
        "/api/v1/privacy/erasures/{id}": {
            "get": item(
                "How far an erasure is.",
                {"200": receipt, "202": running, **refused, **failures("404")},
                progress,
            )
        },
        "/api/v1/privacy/export": {
            "get": item("Everything held about one user or device.", {"200": lines, **refused}, *whom)
        },
        "/api/v1/privacy/audit": {
            "get": item("Who erased, exported or changed what.", {"200": answer("The log.", named("List")), **refused})
        },
    }


def document() -> Node:
    """Return the document."""
    keys = {
        "writeKey": {"type": "http", "scheme": "bearer", "description": "wk_…"},
        "writeKeyInQuery": {"type": "apiKey", "in": "query", "name": "key", "description": "wk_…, for beacons"},
        "readKey": {"type": "http", "scheme": "bearer", "description": "rk_…; it decides the project"},
        "adminKey": {"type": "http", "scheme": "bearer", "description": "ak_…; it administers one project"},
        "cookie": {"type": "apiKey", "in": "cookie", "name": "shockmouse"},
    }
    bodies = (admin.Creation, admin.Rotation, admin.Setting, admin.Nothing, admin.Deletion, Funnel)
    _, derived = msgspec.json.schema_components(bodies, ref_template="#/components/schemas/{name}")
    return {
        "openapi": "3.1.0",
        "info": {"title": "Shockmouse Analytics", "version": __version__, "license": {"name": "MIT"}},
        "paths": {"/v1/events": ingestion(), **questions(), **administration(), **privacy(), **pages()},
        "components": {"securitySchemes": keys, "schemas": {**SCHEMAS, **derived}},
    }


def routes() -> list[Route]:
    body = document()

    async def show(_: Request) -> Response:
        return JSONResponse(body)

    return [Route("/openapi.json", show)]
