// Bots: what is left out of every figure, and why.

import { hrefOf } from "./address.js"
import { rowsTable } from "./breakdowns.js"
import { element, fact, replace } from "./element.js"
import { count, percent } from "./figures.js"
import { askSeries, drawChart, METRICS } from "./overview.js"
import { table } from "./table.js"

const EVENTS = METRICS.find(([name]) => name === "events")
const REASONS = {
  crawler: "The user agent names itself as a crawler, a monitor or a library.",
  webdriver: "The browser says that a program drives it.",
}

export async function show(place, { asking, period }) {
  const only = { bots: "only" }
  const chartBox = element("div", { class: "chart-box", "aria-busy": "true" })
  const metrics = ["events", "visitors"]
  const breakdown = (dimension, limit) =>
    asking.ask("breakdown", { ...only, dimension, metrics: metrics.join(","), limit })
  const [people, bots, series, reasons, pages, agents] = await Promise.all([
    asking.ask("stats", { bots: "exclude" }),
    asking.ask("stats", only),
    askSeries(asking, "events", period, only),
    breakdown("bot", 10),
    breakdown("path", 8),
    breakdown("browser", 8),
  ])
  replace(
    place,
    element(
      "section",
      { class: "card" },
      element(
        "dl",
        { class: "facts wide-facts" },
        fact("Events of bots", count(bots.events)),
        fact(
          "Share of all events",
          percent(bots.events + people.events ? bots.events / (bots.events + people.events) : 0),
        ),
        fact("Bots", count(bots.visitors)),
        fact("Sessions", count(bots.sessions)),
      ),
      element(
        "p",
        { class: "quiet" },
        "Bots are stored with the reason and left out of every figure. ",
        element("a", { href: hrefOf("overview", { bots: "include" }) }, "Show the overview with them"),
        " or ",
        element("a", { href: hrefOf("overview", { bots: "only" }) }, "of them alone"),
        ".",
      ),
    ),
    element(
      "section",
      { class: "card" },
      element("header", {}, element("h2", {}, "Events of bots over time")),
      chartBox,
    ),
    element(
      "section",
      { class: "card", id: "reasons" },
      element("header", {}, element("h2", {}, "Why they are left out")),
      table({
        caption: "Reasons",
        rows: reasons.rows,
        empty: "No bot came in this period.",
        columns: [
          { title: "Reason", cell: ({ value }) => value },
          { title: "Meaning", cell: ({ value }) => REASONS[value] || "" },
          { title: "Events", isNumber: true, cell: ({ events }) => count(events) },
          { title: "Bots", isNumber: true, cell: ({ visitors }) => count(visitors) },
        ],
      }),
    ),
    element(
      "div",
      { class: "split even" },
      element(
        "section",
        { class: "card" },
        element("header", {}, element("h2", {}, "What they look at")),
        rowsTable("Pages of bots", "path", pages.rows, metrics),
      ),
      element(
        "section",
        { class: "card" },
        element("header", {}, element("h2", {}, "Who they say they are")),
        rowsTable("Browsers of bots", "browser", agents.rows, metrics),
      ),
    ),
  )
  drawChart(chartBox, [series, null], EVENTS, period)
}
