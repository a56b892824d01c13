// Paths: what comes just before and just after a page or an event. A click on a step walks on to it.

import { go, href } from "./address.js"
import { element, replace } from "./element.js"
import { count, named, percent } from "./figures.js"
import { table } from "./table.js"

const ROWS = 12

export async function show(place, { asking, parameters }) {
  const event = parameters.get("event")
  const page = event ? null : parameters.get("page") || (await mostVisited(asking))
  if (!event && !page)
    return replace(
      place,
      chooser("", ""),
      element("section", { class: "card" }, element("p", { class: "quiet hint" }, "No page was seen in this period.")),
    )
  const about = event ? { event } : { page }
  const [before, after] = await Promise.all(
    ["previous", "next"].map((direction) => asking.ask("paths", { ...about, direction, limit: ROWS })),
  )
  replace(
    place,
    chooser(event ? "event" : "page", event || page),
    element(
      "div",
      { class: "split even" },
      column("Before it", before.rows, "The visit began here"),
      column("After it", after.rows, "The visit ended here"),
    ),
  )
}

async function mostVisited(asking) {
  const { rows } = await asking.ask("breakdown", { dimension: "path", metrics: "pageviews", limit: 2 })
  return rows.map(({ value }) => value).find(Boolean)
}

function chooser(kind, value) {
  const submit = (event) => {
    event.preventDefault()
    const given = Object.fromEntries(new FormData(event.target))
    const isEvent = given.kind === "event"
    go(href({ page: isEvent ? null : given.value.trim(), event: isEvent ? given.value.trim() : null }))
  }
  return element(
    "form",
    { class: "card inline path-form", on: { submit } },
    element(
      "select",
      { name: "kind", "aria-label": "Around a page or an event" },
      element("option", { value: "page", selected: kind !== "event" }, "Around the page"),
      element("option", { value: "event", selected: kind === "event" }, "Around the event"),
    ),
    element("input", { name: "value", value, "aria-label": "Page or event", required: true, placeholder: "/pricing" }),
    element("button", { class: "primary" }, "Show"),
  )
}

function column(title, rows, ending) {
  const most = Math.max(...rows.map((row) => row.count), 0)
  return element(
    "section",
    { class: "card" },
    element("header", {}, element("h2", {}, title)),
    table({
      caption: title,
      rows,
      bar: (row) => row.count / most,
      empty: "Nothing in this period.",
      columns: [
        { title: "Step", cell: (row) => step(row, ending) },
        { title: "Times", isNumber: true, cell: (row) => count(row.count) },
        { title: "Share", isNumber: true, cell: ({ share }) => percent(share) },
      ],
    }),
  )
}

const label = (type) => named("type", type).toLowerCase()

function step({ page, event, types }, ending) {
  if (page === null && event === null) return element("span", { class: "quiet" }, ending)
  const changes = event === null ? { page, event: null } : { event, page: null }
  return element(
    "a",
    { href: href(changes) },
    event === null ? page || "(no page)" : event,
    event === null ? null : element("span", { class: "quiet" }, ` · ${types.map(label).join(", ")}`),
  )
}
