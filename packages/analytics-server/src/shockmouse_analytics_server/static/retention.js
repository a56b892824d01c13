// Who comes back: cohorts in rows, how much of each came again in the columns.

import { current, go, href } from "./address.js"
import { element, replace, share } from "./element.js"
import { count, percent, wall } from "./figures.js"
import { LABELS } from "./period.js"
import { table, wide } from "./table.js"

const INTERVALS = { day: "Day", week: "Week", month: "Month" }
const LENGTHS = { day: "by day", week: "by week", month: "by month" }

// The cohorts of all rows together: of those who can have come again after so many intervals, how many did.
export function together(rows) {
  const visitors = rows.reduce((sum, row) => sum + row.visitors, 0)
  const most = Math.max(...rows.map(({ returned }) => returned.length), 0)
  const retention = Array.from({ length: most }, (_, position) => {
    const old = rows.filter(({ returned }) => returned.length > position)
    const had = old.reduce((sum, row) => sum + row.visitors, 0)
    return had ? old.reduce((sum, { returned }) => sum + returned[position], 0) / had : 0
  })
  return { visitors, retention }
}

export async function show(place, { asking, parameters, period, isEverEmpty, welcome }) {
  const wished = parameters.get("cohort")
  const usual = period.days <= 14 ? "day" : period.days <= 200 ? "week" : "month"
  const length = wished in LENGTHS ? wished : usual
  const box = element("div", { "aria-busy": "true", class: "tall" })
  replace(place,
    element("p", { class: "lead" }, "Visitors by when they first came in this period, and the share of them that came again. ",
      "A longer period knows better who is new."),
    element("section", { class: "card" },
      element("header", {}, element("h2", {}, "Cohorts"), lengths(length, usual)), box))
  const { rows } = await asking.ask("retention", { interval: length })
  const cohorts = rows.filter(({ visitors }) => visitors > 0)
  if (!cohorts.length && await isEverEmpty()) return welcome()
  replace(box, cohorts.length ? wide(grid(cohorts, length)) : element("p", { class: "quiet" }, "Nobody came in this period."))
  box.removeAttribute("aria-busy")
}

function grid(cohorts, length) {
  const all = together(cohorts)
  const rows = [{ title: "All", ...all }, ...cohorts.map((row) => ({ title: wall(row.start, LABELS[length].long), ...row }))]
  const made = table({
    caption: `Retention ${LENGTHS[length]}`,
    rows,
    columns: [
      { title: "First came", cell: ({ title }) => title },
      { title: "Visitors", isNumber: true, cell: ({ visitors }) => count(visitors) },
      ...all.retention.map((_, position) => ({
        title: position ? `${INTERVALS[length]} ${position}` : `Same ${length}`,
        isNumber: true,
        cell: ({ retention, returned }) => cellOf(retention[position], returned?.[position]),
      })),
    ],
  })
  made.className = "heat"
  return made
}

function cellOf(part, number) {
  if (part === undefined) return element("span", { class: "unseen" }, "not yet")
  const title = number === undefined ? null : `${count(number)} visitors`
  return share(element("span", { class: "cell", title }, percent(part)), part)
}

function lengths(length, usual) {
  const choose = (event) => go(href({ cohort: event.target.value === usual ? null : event.target.value }, current()))
  return element("select", { "aria-label": "Length of cohorts", on: { change: choose } },
    ...Object.entries(LENGTHS).map(([value, title]) => element("option", { value, selected: value === length }, title)))
}
