// One event: how often it happens over time, and one step deeper, its properties and their values.

import { current, href, hrefOf } from "./address.js"
import { rowsTable } from "./breakdowns.js"
import { element, replace } from "./element.js"
import { count } from "./figures.js"
import { failure } from "./failure.js"
import { filterOf } from "./filters.js"
import { askSeries, drawChart, METRICS } from "./overview.js"
import { table } from "./table.js"

const EVENTS = METRICS.find(([name]) => name === "events")

export async function show(place, { asking, parameters, period }) {
  const name = parameters.get("name") || ""
  const only = { filter: filterOf("name", name) }
  const chartBox = element("div", { class: "chart-box", "aria-busy": "true" })
  const figures = element("p", { class: "quiet" }, " ")
  const names = element("div", { class: "rows", "aria-busy": "true" })
  const values = element("div", { class: "rows" })
  replace(
    place,
    element(
      "section",
      { class: "card hero" },
      element(
        "header",
        { class: "chart-head" },
        element("h2", {}, name),
        figures,
        element(
          "a",
          { class: "button", href: hrefOf("overview", { filter: [...current().getAll("filter"), only.filter] }) },
          "Filter by it",
        ),
      ),
      chartBox,
    ),
    element(
      "div",
      { class: "cards" },
      element(
        "section",
        { class: "card", id: "properties" },
        element("header", {}, element("h2", {}, "Properties")),
        names,
      ),
      element("section", { class: "card", id: "values" }, element("header", {}, element("h2", {}, "Values")), values),
    ),
  )
  const [stats, series] = await Promise.all([asking.ask("stats", only), askSeries(asking, "events", period, only)])
  figures.textContent = `${several(stats.events, "time")} · ${several(stats.visitors, "visitor")}`
  drawChart(chartBox, [series, null], EVENTS, period)
  await showProperties(asking, only, parameters, names, values).catch((error) => replace(names, failure(error)))
}

async function showProperties(asking, only, parameters, names, values) {
  const { rows } = await asking.ask("properties", { ...only, limit: 50 })
  const chosen = rows.find(({ name }) => name === parameters.get("property")) || rows[0]
  names.removeAttribute("aria-busy")
  replace(
    names,
    table({
      caption: "Properties",
      rows,
      empty: "This event carries no properties.",
      columns: [
        {
          title: "Property",
          cell: (row) =>
            element(
              "a",
              { href: href({ property: row.name }), "aria-current": row === chosen ? "true" : null },
              row.name.replace(/^property\./, ""),
            ),
        },
        { title: "Type", cell: ({ types }) => types.join(", ") },
        { title: "Events", isNumber: true, cell: ({ events }) => count(events) },
      ],
    }),
  )
  if (!chosen) return replace(values)
  const metrics = ["events", "visitors"]
  const found = await asking.ask("breakdown", {
    ...only,
    dimension: chosen.name,
    metrics: metrics.join(","),
    limit: 20,
  })
  replace(values, rowsTable(`Values of ${chosen.name}`, chosen.name, found.rows, metrics))
}

const several = (number, word) => `${count(number)} ${word}${number === 1 ? "" : "s"}`
