// What is left out of every other view: programs, why they were taken for ones, and what they look at.

import { hrefOf } from "./address.js"
import { rowsTable } from "./breakdowns.js"
import { element, fact, replace } from "./element.js"
import { count, percent } from "./figures.js"
import { table } from "./table.js"

const ROWS = 20

export async function show(place, { asking, isEverEmpty, welcome }) {
  const box = element("div", { "aria-busy": "true" })
  replace(place, box)
  const only = { bots: "only" }
  const [people, bots, reasons, pages] = await Promise.all([
    asking.ask("stats", { bots: "exclude" }),
    asking.ask("stats", only),
    asking.ask("breakdown", { ...only, dimension: "bot", metrics: "events,visitors", limit: ROWS }),
    asking.ask("breakdown", { ...only, dimension: "path", metrics: "events,visitors", limit: ROWS }),
  ])
  if (!people.events && !bots.events && await isEverEmpty()) return welcome()
  const all = people.events + bots.events
  replace(box,
    element("p", { class: "lead" }, "Crawlers, monitors and driven browsers are stored, but counted nowhere else. ",
      element("a", { href: hrefOf("overview", { bots: "include" }) }, "Show the overview with them"), " or ",
      element("a", { href: hrefOf("overview", { bots: "only" }) }, "of them only"), "."),
    element("dl", { class: "facts card" }, fact("Events of bots", count(bots.events)),
      fact("Of all events", percent(all ? bots.events / all : 0)), fact("Page views", count(bots.pageviews)),
      fact("Devices", count(bots.visitors))),
    element("div", { class: "cards" },
      card("Why they were left out", reasonsTable(reasons.rows)),
      card("What they look at", rowsTable("Pages of bots", "path", pages.rows, ["events", "visitors"]))))
  box.removeAttribute("aria-busy")
}

const card = (title, content) =>
  element("section", { class: "card" }, element("header", {}, element("h2", {}, title)), element("div", { class: "rows" }, content))

const REASONS = { crawler: "A crawler, by its name", webdriver: "Driven by a program (webdriver)" }

function reasonsTable(rows) {
  const greatest = Math.max(...rows.map(({ events }) => events), 0)
  return table({
    caption: "Reasons", rows, empty: "No bots in this period.",
    bar: ({ events }) => (greatest ? events / greatest : 0),
    columns: [
      { title: "Reason", cell: ({ value }) => REASONS[value] || value },
      { title: "Events", isNumber: true, cell: ({ events }) => count(events) },
      { title: "Devices", isNumber: true, cell: ({ visitors }) => count(visitors) },
    ],
  })
}
