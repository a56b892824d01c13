// Events as they come: who is here now, and a list of the latest that server-sent events fill from the top.

import { hrefOf } from "./address.js"
import { button, element, fact, replace } from "./element.js"
import { clock, count, named, ratio } from "./figures.js"
import { Folding } from "./folding.js"
import { line, table, wide } from "./table.js"

const MOST = 200
const LATEST = 20
const LATEST_MINUTES = 30
const NOW_EVERY = 5000
const EVENT = 1 // which column tells what happened
const STATES = { connecting: "Connecting…", open: "Listening", lost: "Connecting again…", paused: "Paused" }

export async function show(place, { asking, zone, signal }) {
  const figures = element("dl", { class: "facts wide-facts" })
  drawFacts(figures, null)
  const state = element("span", { role: "status" }, STATES.connecting)
  const dot = element("span", { class: "pulse still", "aria-hidden": "true" })
  const columns = columnsOf(zone)
  const list = table({
    caption: "Events as they come",
    rows: [],
    columns,
    empty: "What happens from now on appears here, some three seconds later.",
  })
  const body = list.querySelector("tbody")
  const pages = element("div", { class: "rows" })
  let isPaused = false
  let held = [] // what came while the list was paused, or not begun
  let known = null // the events that it began with: the stream may tell them again
  const say = (name) => {
    replace(state, STATES[isPaused ? "paused" : name])
    dot.classList.toggle("still", isPaused || name !== "open")
  }
  const folding = new Folding()
  const drawn = new WeakMap()
  const add = (event) => {
    body.querySelector(".empty")?.remove()
    const row = folding.add(event)
    if (drawn.get(row)?.isConnected) return replace(drawn.get(row).children[EVENT], happening(row))
    drawn.set(row, line(columns, row, { class: "arrived" }))
    body.prepend(drawn.get(row))
    while (body.children.length > MOST) body.lastChild.remove()
  }
  const goOn = () => {
    if (isPaused || !known) return
    held.filter(({ event_id }) => !known.has(event_id)).forEach(add)
    held = []
  }
  const pause = button("Pause", () => {
    isPaused = !isPaused
    pause.textContent = isPaused ? "Go on" : "Pause"
    say("open")
    goOn()
  })
  replace(
    place,
    element("section", { class: "card" }, figures),
    element(
      "div",
      { class: "split" },
      element(
        "section",
        { class: "card", id: "stream" },
        element("header", {}, element("h2", {}, "Events"), element("p", { class: "quiet" }, dot, state), pause),
        wide(list),
      ),
      element(
        "section",
        { class: "card", id: "now-pages" },
        element("header", {}, element("h2", {}, "Pages of the last 5 minutes")),
        pages,
      ),
    ),
  )

  const stream = new EventSource(asking.address("events/stream", { from: null, to: null }))
  stream.addEventListener("open", () => say("open"))
  stream.addEventListener("error", () => say("lost"))
  stream.addEventListener("event", ({ data }) => {
    const event = JSON.parse(data)
    if (isPaused || !known) held = [...held.slice(1 - MOST), event]
    else if (!known.has(event.event_id)) add(event)
  })
  const begin = async () => {
    const from = new Date(Date.now() - LATEST_MINUTES * 60_000).toISOString()
    const { rows } = await asking.ask("events", { from, to: null, limit: LATEST }).catch(() => ({ rows: [] }))
    rows.reverse().forEach(add)
    known = new Set(rows.map(({ event_id }) => event_id))
    goOn()
  }
  const tell = () => document.visibilityState === "visible" && drawNow(figures, pages, asking).catch(() => null)
  const timer = setInterval(tell, NOW_EVERY)
  signal.addEventListener("abort", () => {
    stream.close()
    clearInterval(timer)
  })
  await Promise.all([begin(), drawNow(figures, pages, asking)])
}

async function drawNow(figures, pages, asking) {
  const now = await asking.ask("realtime", { from: null, to: null, limit: 12 })
  drawFacts(figures, now)
  const most = Math.max(...now.pages.map(({ visitors }) => visitors), 0)
  replace(
    pages,
    table({
      caption: "Pages of the last five minutes",
      rows: now.pages,
      empty: "Nobody is here at the moment.",
      bar: ({ visitors }) => visitors / most,
      columns: [
        { title: "Page", cell: ({ path }) => path || "(no page)" },
        { title: "Visitors", isNumber: true, cell: ({ visitors }) => count(visitors) },
      ],
    }),
  )
}

function drawFacts(place, now) {
  replace(
    place,
    fact("Visitors now", now ? count(now.visitors) : "–"),
    fact("Page views", now ? count(now.pageviews) : "–"),
    fact("Events", now ? count(now.events) : "–"),
    fact("Events per second", now ? ratio(now.events_per_second) : "–"),
  )
}

function columnsOf(zone) {
  const who = ({ session_id, device_id, user_id }) =>
    element(
      "a",
      {
        class: "path who",
        href: hrefOf("session", { session: session_id, device: device_id }),
        title: user_id || device_id,
      },
      user_id || shortId(device_id),
    )
  return [
    { title: "Time", cell: ({ at }) => clock(at, zone) },
    { title: "Event", wraps: true, cell: happening },
    {
      title: "Page",
      hides: "narrow",
      cell: ({ path }) => element("span", { class: "path", title: path }, path),
    },
    { title: "Visitor", cell: who },
    { title: "Place", hides: "narrow", cell: ({ country }) => (country ? named("country", country) : "") },
    { title: "With", hides: "middle", cell: ({ browser, os }) => [browser, os].filter(Boolean).join(" · ") },
  ]
}

// A type as a small label, and the name beside it.
export function happening({ type, name }) {
  return element("span", {}, element("span", { class: `kind kind-${type}` }, named("type", type)), " ", name)
}

export const shortId = (id) => (id.length > 12 ? `${id.slice(0, 8)}…` : id)
