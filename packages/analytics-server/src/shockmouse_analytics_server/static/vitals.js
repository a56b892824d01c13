// Web vitals against the thresholds that the field agrees on, by any dimension; and every other measure.

import { go, href } from "./address.js"
import { disclosure, element, replace, shape } from "./element.js"
import { count, named, ratio } from "./figures.js"
import { DIMENSIONS, titleOf } from "./filters.js"
import { table, wide } from "./table.js"

// name: words, good up to, poor over
export const VITALS = {
  LCP: ["Largest contentful paint", 2500, 4000],
  INP: ["Interaction to next paint", 200, 500],
  CLS: ["Cumulative layout shift", 0.1, 0.25],
  FCP: ["First contentful paint", 1800, 3000],
  TTFB: ["Time to first byte", 800, 1800],
}
const LEVELS = ["p50", "p75", "p95", "p99"]
const RATINGS = { good: "Good", fair: "Needs improvement", poor: "Poor" }
const BY = ["path", "device_type", "browser", "os", "country", "host"]

export function ratingOf(name, value) {
  const [, good, poor] = VITALS[name]
  return value <= good ? "good" : value <= poor ? "fair" : "poor"
}

export function measured(name, value) {
  if (name === "CLS") return ratio(value)
  return value >= 1000 ? `${ratio(Math.round(value / 10) / 100)} s` : `${ratio(Math.round(value * 10) / 10)} ms`
}

export async function show(place, { asking, parameters }) {
  const asked = (name, known, usual) => (Object.hasOwn(known, parameters.get(name)) ? parameters.get(name) : usual)
  const chosen = asked("measure", VITALS, "LCP")
  const dimension = asked("dimension", DIMENSIONS, "path")
  const [vitals, byDimension, others] = await Promise.all([
    asking.ask("vitals", { filter: `name:is:${Object.keys(VITALS).join("|")}` }),
    asking.ask("vitals", { dimension, filter: `name:is:${chosen}`, limit: 20 }),
    asking.ask("vitals", { filter: `name:is_not:${Object.keys(VITALS).join("|")}`, limit: 20 }),
  ])
  const found = Object.fromEntries(vitals.rows.map((row) => [row.name, row]))
  replace(
    place,
    element("div", { class: "vitals" }, ...Object.keys(VITALS).map((name) => card(name, found[name], name === chosen))),
    element(
      "p",
      { class: "quiet" },
      "Each figure is the 75th percentile (p75): three of four measurements are no worse. The dots are p50, p75 and p95.",
    ),
    element(
      "section",
      { class: "card" },
      element("header", {}, element("h2", {}, `${VITALS[chosen][0]} (${chosen})`), dimensionSelect(dimension)),
      wide(
        table({
          caption: `${chosen} by ${titleOf(dimension)}`,
          rows: byDimension.rows,
          empty: "Nothing was measured in this period.",
          columns: [
            { title: titleOf(dimension), cell: ({ value }) => named(dimension, value) },
            ...percentiles(() => chosen, true),
          ],
        }),
      ),
    ),
    others.rows.length
      ? element(
          "section",
          { class: "card" },
          element("header", {}, element("h2", {}, "Other measures")),
          wide(
            table({
              caption: "Other measures",
              rows: others.rows,
              columns: [{ title: "Measure", cell: ({ name }) => name }, ...percentiles(({ name }) => name, false)],
            }),
          ),
        )
      : null,
  )
}

const rated = (name, value) => element("span", { class: ratingOf(name, value) }, measured(name, value))

function percentiles(nameOf, isRated) {
  const cell = (row, each) =>
    isRated && each === "p75" ? rated(nameOf(row), row[each]) : measured(nameOf(row), row[each])
  return [
    { title: "Measured", isNumber: true, cell: ({ events }) => count(events) },
    ...LEVELS.map((each) => ({
      title: each,
      isNumber: true,
      hides: each === "p75" ? null : "narrow",
      cell: (row) => cell(row, each),
    })),
  ]
}

function dimensionSelect(dimension) {
  return element(
    "select",
    { "aria-label": "By", on: { change: (event) => go(href({ dimension: event.target.value })) } },
    ...BY.map((each) =>
      element("option", { value: each, selected: each === dimension }, `by ${titleOf(each).toLowerCase()}`),
    ),
  )
}

function card(name, row, isChosen) {
  const [words, good, poor] = VITALS[name]
  const rating = row ? ratingOf(name, row.p75) : null
  return element(
    "section",
    { class: "card vital" },
    element(
      "a",
      { href: href({ measure: name }), "aria-current": isChosen ? "true" : null, class: "vital-link" },
      element("h2", {}, name, element("span", { class: "quiet" }, words)),
    ),
    row
      ? element(
          "p",
          { class: `score ${rating}` },
          element("strong", {}, measured(name, row.p75)),
          ` ${RATINGS[rating]}`,
        )
      : element("p", { class: "score quiet" }, "Not measured yet"),
    gauge(row, good, poor),
    element("p", { class: "quiet" }, `good to ${measured(name, good)}, poor over ${measured(name, poor)}`),
    row
      ? disclosure(
          "Table",
          table({
            caption: `Percentiles of ${name}`,
            rows: LEVELS,
            columns: [
              { title: `${count(row.events)} measured`, cell: (level) => level },
              { title: name, isNumber: true, cell: (level) => rated(name, row[level]) },
            ],
          }),
        )
      : null,
  )
}

// Three zones, and where p50, p75 and p95 lie on them; the scale ends at 1.6 times what is poor.
function gauge(row, good, poor) {
  const end = poor * 1.6
  const x = (value) => Math.min(value / end, 1) * 200
  const zone = (rating, from, to) =>
    shape("rect", { class: `zone ${rating}`, x: x(from) + 1, width: x(to) - x(from) - 2, y: 8, height: 6, rx: 3 })
  const tick = (value, name) =>
    shape("circle", { class: `tick-${name}`, cx: x(value), cy: 11, r: name === "p75" ? 6 : 3.5 })
  return shape(
    "svg",
    { viewBox: "-6 0 212 22", class: "gauge", "aria-hidden": "true" },
    zone("good", 0, good),
    zone("fair", good, poor),
    zone("poor", poor, end),
    ...(row ? ["p50", "p95", "p75"].map((name) => tick(row[name], name)) : []),
  )
}
