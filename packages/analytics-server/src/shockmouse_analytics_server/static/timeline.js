// One session: who and how, then its events in order, each with the time since the first.

import { hrefOf } from "./address.js"
import { disclosure, element, fact, outward, replace } from "./element.js"
import { clock, count, duration, moment, named } from "./figures.js"
import { happening, shortId } from "./live.js"
import { sourceOf, withOf } from "./sessions.js"
import { measured, VITALS } from "./vitals.js"

const MOST_IN_LINE = 4
const SHORT = 120
const KINDS = {
  page: ["page view", "page views"],
  screen: ["screen", "screens"],
  track: ["event", "events"],
  click: ["click", "clicks"],
  form: ["form", "forms"],
  performance: ["measurement", "measurements"],
  error: ["error", "errors"],
}

export async function show(place, { asking, parameters, zone }) {
  const id = parameters.get("session") || ""
  const asked = { from: null, to: null, device_id: parameters.get("device") || null, bots: "include" }
  const { session, events, next } = await asking.withoutFilters().ask(`sessions/${encodeURIComponent(id)}`, asked)
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
      element("ol", { class: "timeline" }, ...folded(events).map((event) => step(event, session, zone))),
      next ? element("p", { class: "quiet" }, `The first ${count(events.length)} events are shown.`) : null,
    ),
  )
}

const kinds = (counts) =>
  Object.entries(counts)
    .map(([type, number]) => `${count(number)} ${(KINDS[type] || [type, type])[number === 1 ? 0 : 1]}`)
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

// The vitals of a page as one event, where the first of them stands: a page's events until its next view.
function folded(events) {
  const rows = []
  const open = new Map()
  for (const event of events) {
    if (event.type === "page") open.delete(event.path)
    if (!isVital(event)) rows.push(event)
    else if (open.has(event.path)) open.get(event.path).vitals.push(event)
    else {
      const row = { ...event, properties: {}, vitals: [event] }
      open.set(event.path, row)
      rows.push(row)
    }
  }
  return rows.map((row) => (row.vitals ? { ...row, name: vitalsOf(row.vitals) } : row))
}

const isVital = ({ type, name, properties }) => type === "performance" && name in VITALS && "value" in (properties || {})

const vitalsOf = (vitals) =>
  Object.keys(VITALS)
    .flatMap((each) => vitals.filter(({ name }) => name === each))
    .map(({ name, properties }) => `${name} ${measured(name, Number(properties.value))}`)
    .join(" · ")

function step(event, session, zone) {
  const since = (Date.parse(event.at) - Date.parse(session.started_at)) / 1000
  const more = Object.entries(event.properties || {})
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

const textOf = (value) => (typeof value === "object" ? JSON.stringify(value) : String(value))

export function properties(pairs) {
  return element("dl", { class: "facts" }, ...pairs.map(([name, value]) => fact(name, textOf(value))))
}
