// Paths: what comes just before and just after a page or an event. A click on a step walks on to it.

import { go, href } from "./address.js"
import { element, replace } from "./element.js"
import { count, named, percent } from "./figures.js"
import { DEEDS } from "./funnel_form.js"
import { table } from "./table.js"

const ROWS = 12

export async function show(place, { asking, parameters }) {
  const event = parameters.get("event")
  const steps = parameters.get("steps") === "all" ? "all" : "pages"
  const page = event ? null : parameters.get("page") || (await mostVisited(asking))
  if (!event && !page)
    return replace(
      place,
      chooser(asking, "", "", steps),
      element("section", { class: "card" }, element("p", { class: "quiet hint" }, "No page was seen in this period.")),
    )
  const about = event ? { event } : { page }
  const [before, after] = await Promise.all(
    ["previous", "next"].map((direction) => asking.ask("paths", { ...about, direction, steps, limit: ROWS })),
  )
  replace(
    place,
    chooser(asking, event ? "event" : "page", event || page, steps),
    element(
      "div",
      { class: "split even" },
      column("Before it", before.rows, "The visit began here", event || page),
      column("After it", after.rows, "The visit ended here", event || page),
    ),
  )
}

async function mostVisited(asking) {
  const { rows } = await asking.ask("breakdown", { dimension: "path", metrics: "pageviews", limit: 2 })
  return rows.map(({ value }) => value).find(Boolean)
}

// What to begin with, and what its neighbours may be; suggestions are asked for when somebody begins to write.
function chooser(asking, kind, value, steps) {
  const list = element("datalist", { id: "path-values" })
  const suggest = async ({ target: { form } }) => {
    const asked = form.elements.kind.value
    const values = await (asked === "event" ? asking.values("name", DEEDS) : asking.values("path")).catch(() => [])
    if (asked === form.elements.kind.value) replace(list, ...values.map((each) => element("option", { value: each })))
  }
  const choose = ({ target }) => go(href({ steps: target.value === "pages" ? null : target.value }))
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
      { name: "kind", "aria-label": "Around a page or an event", on: { change: suggest } },
      element("option", { value: "page", selected: kind !== "event" }, "Around the page"),
      element("option", { value: "event", selected: kind === "event" }, "Around the event"),
    ),
    element("input", {
      name: "value",
      value,
      list: list.id,
      "aria-label": "Page or event",
      required: true,
      placeholder: "/pricing",
      autocomplete: "off",
      on: { focus: suggest },
    }),
    list,
    element(
      "select",
      { "aria-label": "Steps", on: { change: choose } },
      element("option", { value: "pages", selected: steps === "pages" }, "Pages only"),
      element("option", { value: "all", selected: steps === "all" }, "Pages and events"),
    ),
    element("button", { class: "primary" }, "Show"),
  )
}

function column(title, rows, ending, about) {
  const most = Math.max(...rows.map((row) => row.count), 0)
  return element(
    "section",
    { class: "card" },
    element("header", {}, element("h2", {}, title)),
    table({
      caption: title,
      rows,
      bar: (row) => row.count / most,
      empty: `“${about}” was not seen in this period.`,
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
    { href: href(changes), title: event ?? page },
    event === null ? page || "(no page)" : event,
    event === null ? null : element("span", { class: "quiet" }, ` · ${types.map(label).join(", ")}`),
  )
}
