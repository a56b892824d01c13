// Who comes back: a row for each cohort, a column for each interval after its first, shaded by the share that returned.

import { go, href } from "./address.js"
import { element, replace, share } from "./element.js"
import { count, percent, wall } from "./figures.js"
import { LABELS } from "./period.js"

const COHORTS = { day: "Days", week: "Weeks", month: "Months" }
const UNITS = { day: "Day", week: "Week", month: "Month" }
const MOST = { day: 31, week: 26, month: 24 }
const PRINTED = 14 // columns that an upright page has room for

export async function show(place, { asking, parameters, period }) {
  const wished = parameters.get("cohort")
  const interval = Object.hasOwn(COHORTS, wished) ? wished : period.days <= 14 ? "day" : period.days <= 200 ? "week" : "month"
  const choose = (event) => go(href({ cohort: event.target.value }))
  const body = element("div", { "aria-busy": "true" })
  replace(
    place,
    element(
      "section",
      { class: "card" },
      element(
        "header",
        {},
        element("h2", {}, onlyWide("Share of visitors who come back"), onlyNarrow("Visitors who come back, %")),
        element(
          "select",
          { "aria-label": "Cohorts by", on: { change: choose } },
          ...Object.entries(COHORTS).map(([value, title]) =>
            element("option", { value, selected: value === interval }, title),
          ),
        ),
      ),
      body,
    ),
  )
  const { rows } = await asking.ask("retention", { interval })
  const first = rows.findIndex(({ visitors }) => visitors)
  const told = first < 0 ? [] : rows.slice(Math.max(first, rows.length - MOST[interval]))
  const isCut = first >= 0 && told.length < rows.length - first
  replace(body, told.length > 1 ? withHint(told, interval, period, isCut) : tooSoon(told, interval))
  body.removeAttribute("aria-busy")
}

const withHint = (rows, interval, { isRunning }, isCut) => [
  grid(rows, interval, isRunning),
  element(
    "p",
    { class: "quiet" },
    "A row holds those whose first visit of this period fell into it; begin the period where you want to know them as new. “All” is the share of the cohorts old enough for that column.",
    isRunning ? ` The last cell of a row is of the ${interval} that still runs: “All” leaves it out.` : null,
    isCut ? ` These are the last ${MOST[interval]} ${COHORTS[interval].toLowerCase()} of the period.` : null,
  ),
]

// Of one cohort nobody can have come back yet.
function tooSoon([cohort], interval) {
  if (!cohort) return element("p", { class: "quiet hint" }, "No visitor came in this period.")
  const { start, visitors } = cohort
  const who = visitors === 1 ? "The only visitor" : `All ${count(visitors)} visitors`
  const when = { day: "on", week: "in the week from", month: "in" }[interval]
  const sooner = interval === "day" ? "" : " Choose Days, or a longer period, to see more."
  return element(
    "p",
    { class: "quiet" },
    `${who} of this period came ${when} ${wall(start, LABELS[interval].long)}: who comes back shows from the next ${interval} on.${sooner}`,
  )
}

function grid(rows, interval, isRunning) {
  const columns = Math.max(...rows.map(({ retention }) => retention.length - 1), 0)
  const heads = Array.from({ length: columns }, (_, position) =>
    element("th", { scope: "col", class: "number" }, onlyWide(`${UNITS[interval]} `), position + 1),
  )
  const most = Math.max(...rows.flatMap(({ retention }) => retention.slice(1)))
  const all = overall(rows, columns, isRunning)
  const runs = (row, position) => isRunning && row !== all && position === row.retention.length - 1
  const told = (row, position) =>
    `${count(row.returned[position])} of ${count(row.asked?.[position] ?? row.visitors)}${runs(row, position) ? " so far" : ""}`
  const line = (row) =>
    element(
      "tr",
      { class: row === all ? "all" : null },
      element("th", { scope: "row" }, ...(row === all ? ["All"] : cohort(row.start, LABELS[interval]))),
      element("td", { class: "number" }, count(row.visitors)),
      ...row.retention.slice(1).map((rate, position) =>
        share(
          element(
            "td",
            {
              class: ["number shade", runs(row, position + 1) && "running", !rate && "none"].filter(Boolean).join(" "),
              title: told(row, position + 1),
            },
            ...((row.asked?.[position + 1] ?? row.visitors) ? [percent(rate).slice(0, -1), onlyWide("%")] : ["–"]),
          ),
          Math.sqrt(rate / most),
        ),
      ),
    )
  return element(
    "div",
    { class: "grid-box", tabindex: "0", role: "region", "aria-label": "Retention" },
    element(
      "table",
      { class: columns > PRINTED ? "retention long" : "retention" },
      element("caption", { class: "unseen" }, "Retention by cohort"),
      element(
        "thead",
        {},
        element(
          "tr",
          {},
          element("th", { scope: "col" }, "Cohort"),
          element("th", { scope: "col", class: "number" }, "Visitors"),
          ...heads,
        ),
      ),
      element("tbody", {}, ...[all, ...rows].map(line)),
    ),
  )
}

const onlyWide = (words) => element("span", { class: "hides-narrow" }, words)
const onlyNarrow = (words) => element("span", { class: "on-narrow" }, words)
const cohort = (start, { short, long }) => [onlyWide(wall(start, long)), onlyNarrow(wall(start, short))]

// All cohorts together: of those whose interval has come, and ended where the period runs, how many returned.
function overall(rows, columns, isRunning) {
  const positions = Array.from({ length: columns + 1 }, (_, position) => position)
  const isOver = (row, position) => position < row.returned.length - (isRunning && position ? 1 : 0)
  const sums = (number) =>
    positions.map((at) => rows.reduce((sum, row) => sum + (isOver(row, at) ? number(row, at) : 0), 0))
  const returned = sums((row, position) => row.returned[position])
  const asked = sums((row) => row.visitors)
  const retention = returned.map((number, position) => (asked[position] ? number / asked[position] : 0))
  return { visitors: asked[0], returned, asked, retention }
}
