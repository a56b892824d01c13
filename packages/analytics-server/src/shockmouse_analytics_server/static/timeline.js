// One session: who and how, then its events in order, each with the time since the first.

import { hrefOf } from "./address.js"
import { button, disclosure, element, fact, outward, replace } from "./element.js"
import { failure } from "./failure.js"
import { clock, count, duration, moment, named, several } from "./figures.js"
import { Folding } from "./folding.js"
import { happening, shortId } from "./live.js"
import { sourceOf, withOf } from "./sessions.js"

const MOST_IN_LINE = 4
const SHORT = 120

export async function show(place, { asking, parameters, zone }) {
  const id = parameters.get("session") || ""
  const asked = { from: null, to: null, device_id: parameters.get("device") || null, bots: "include" }
  const look = (cursor) => asking.withoutFilters().ask(`sessions/${encodeURIComponent(id)}`, { ...asked, cursor })
  const { session, events, next } = await look(null)
  const list = element("ol", { class: "timeline" })
  const rest = element("footer", { class: "steps" })
  replace(
    place,
    element("section", { class: "card" }, facts(session, zone)),
    element(
      "section",
      { class: "card", id: "timeline" },
      element(
        "header",
        {},
        element("h2", {}, "What happened"),
        element("p", { class: "quiet" }, kinds(session.counts)),
      ),
      list,
      rest,
    ),
  )
  tell(list, rest, look, { session, events, next, zone })
}

// Writes the events so far, and below them the way to the next ones.
function tell(list, rest, look, { session, events, next, zone }) {
  const folding = new Folding()
  const rows = new Set(events.map((event) => folding.add(event)))
  replace(list, ...[...rows].map((row) => step(row, session, zone)))
  rest.hidden = !next
  const follow = async () => {
    try {
      const more = await look(next)
      tell(list, rest, look, { session, events: [...events, ...more.events], next: more.next, zone })
    } catch (error) {
      if (error.name !== "AbortError") replace(rest, failure(error))
    }
  }
  if (next)
    replace(
      rest,
      button("Show more", follow),
      element("p", { class: "quiet" }, `${count(events.length)} of ${count(session.events)} events are shown.`),
    )
}

const kinds = (counts) =>
  Object.entries(counts)
    .map(([type, number]) => several(type, number))
    .join(" · ")

function facts(session, zone) {
  return element(
    "dl",
    { class: "facts" },
    fact("Began", moment(session.started_at, zone, { dateStyle: "medium", timeStyle: "medium" })),
    fact("Lasted", duration(session.duration_seconds)),
    fact(
      "Visitor",
      element(
        "a",
        { class: "outward", href: hrefOf("device", { device: session.device_id }) },
        session.user_id || shortId(session.device_id),
      ),
    ),
    fact("Source", sourceOf(session)),
    fact("Place", session.country ? named("country", session.country) : "Unknown"),
    fact("With", withOf(session)),
    fact("Site", session.host || "–"),
    session.bot ? fact("Bot", "left out of the statistics") : null,
  )
}

function step(event, session, zone) {
  const since = (Date.parse(event.at) - Date.parse(session.started_at)) / 1000
  const isTold = (value) => ["click", "error"].includes(event.type) && value === event.name // its text is its name
  const more = Object.entries(event.properties || {}).filter(([, value]) => !isTold(value))
  return element(
    "li",
    { class: `step-${event.type}` },
    element(
      "time",
      { datetime: event.at, title: clock(event.at, zone) },
      since ? `+${duration(since)}` : clock(event.at, zone),
    ),
    element(
      "div",
      {},
      happening(event),
      " ",
      event.url ? outward(event.url, event.path || event.url) : element("span", { class: "quiet" }, event.path || ""),
      more.length ? told(more) : null,
    ),
  )
}

// Few short properties stand in the line, others behind a disclosure.
function told(pairs) {
  const words = pairs.map(([name, value]) => `${name}: ${textOf(value)}`)
  if (words.length <= MOST_IN_LINE && words.join().length < SHORT)
    return element("p", { class: "told quiet" }, words.join(" · "))
  return disclosure(`${count(pairs.length)} properties`, properties(pairs))
}

const isPlain = (value) => Array.isArray(value) && value.every((each) => typeof each !== "object")

function textOf(value) {
  if (isPlain(value)) return value.join(", ") || "none"
  return typeof value === "object" ? JSON.stringify(value) : String(value)
}

export function properties(pairs) {
  return element("dl", { class: "facts" }, ...pairs.map(([name, value]) => fact(name, textOf(value))))
}
