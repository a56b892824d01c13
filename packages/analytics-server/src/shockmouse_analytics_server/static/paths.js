// What came before a page or an event, and what came next. A click on a step makes it the middle.

import { go, href } from "./address.js"
import { element, replace } from "./element.js"
import { count, percent } from "./figures.js"
import { table } from "./table.js"

const STEPS = 15
const DEEDS = "type:is:track|click|form" // events that are steps

export async function show(place, { asking, parameters, isEverEmpty, welcome }) {
  const box = element("div", { "aria-busy": "true" })
  replace(place, box)
  const [pages, events] = await Promise.all([
    asking.ask("breakdown", { dimension: "path", metrics: "pageviews", limit: 200 }),
    asking.ask("breakdown", { dimension: "name", metrics: "events", limit: 200, filter: DEEDS }),
  ])
  const known = {
    page: pages.rows.map(({ value }) => value).filter(Boolean),
    event: events.rows.map(({ value }) => value).filter(Boolean),
  }
  const kind = parameters.has("event") ? "event" : "page"
  const middle = parameters.get(kind) || known[kind][0]
  if (!middle) return (await isEverEmpty()) ? welcome() : nothing(box)
  const sides = await Promise.all(["previous", "next"].map((direction) =>
    asking.ask("paths", { direction, [kind]: middle, limit: STEPS })))
  replace(box, chooser(kind, middle, known),
    element("div", { class: "cards" },
      card("Before it", "The visit began here", sides[0].rows, `What came before ${middle}`),
      card("After it", "The visit ended here", sides[1].rows, `What came after ${middle}`)))
  box.removeAttribute("aria-busy")
}

function nothing(box) {
  replace(box, element("p", { class: "quiet" }, "No page was viewed in this period."))
  box.removeAttribute("aria-busy")
}

// A form with the middle: a page or an event, by name.
function chooser(kind, middle, known) {
  const list = element("datalist", { id: "steps" })
  const field = element("input", { name: "middle", "aria-label": "Page or event", list: list.id, value: middle, autocomplete: "off",
    required: true })
  const what = element("select", { name: "kind", "aria-label": "What" },
    ...Object.entries({ page: "Page", event: "Event" }).map(([value, title]) =>
      element("option", { value, selected: value === kind }, title)))
  const suggest = () => replace(list, known[what.value].map((value) => element("option", { value })))
  what.addEventListener("change", () => {
    field.value = known[what.value][0] || ""
    suggest()
  })
  suggest()
  const submit = (event) => {
    event.preventDefault()
    go(href({ page: null, event: null, [what.value]: field.value }))
  }
  return element("form", { class: "inline middle", on: { submit } }, what, field, list,
    element("button", { class: "primary" }, "Show its paths"))
}

function card(title, edge, rows, caption) {
  const greatest = Math.max(...rows.map(({ share }) => share), 0)
  return element("section", { class: "card" }, element("header", {}, element("h2", {}, title)),
    element("div", { class: "rows" }, table({
      caption, rows,
      bar: ({ share }) => (greatest ? share / greatest : 0),
      columns: [
        { title: "Step", cell: (row) => step(row, edge) },
        { title: "Times", isNumber: true, cell: (row) => count(row.count) },
        { title: "Share", isNumber: true, cell: ({ share }) => percent(share) },
      ],
    })))
}

function step({ page, event }, edge) {
  if (page === null && event === null) return element("span", { class: "quiet" }, edge)
  const changes = page === null ? { page: null, event } : { event: null, page }
  return element("a", { href: href(changes), title: page ?? event }, page ?? event,
    page === null ? element("span", { class: "quiet" }, " (event)") : null)
}
