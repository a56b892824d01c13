// Events by hour of the week, as a grid of days and hours.

import { element, share } from "./element.js"
import { count } from "./figures.js"
import { wide } from "./table.js"

export const DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
const HOURS = Array.from({ length: 24 }, (_, hour) => hour)

// [day][hour]: events; an hour that is not told of had none.
export function hoursOf(usage) {
  const hours = DAYS.map(() => HOURS.map(() => 0))
  for (const { weekday, hour, events } of usage) hours[weekday - 1][hour] = events
  return hours
}

export function weekGrid(usage, zone) {
  const hours = hoursOf(usage)
  const greatest = Math.max(...hours.flat(), 0)
  const cell = (events, day, hour) => element("td", {}, share(
    element("span", { class: "cell", title: `${DAYS[day]} ${hour}:00 – ${count(events)} events` },
      element("span", { class: "unseen" }, count(events))), greatest ? events / greatest : 0))
  return wide(element("table", { class: "heat week" },
    element("caption", { class: "unseen" }, `Events by hour of the week, ${zone}`),
    element("thead", {}, element("tr", {}, element("th", { scope: "col" }, element("span", { class: "unseen" }, "Day")),
      ...HOURS.map((hour) => element("th", { scope: "col" }, String(hour))))),
    element("tbody", {}, ...hours.map((row, day) => element("tr", {}, element("th", { scope: "row" }, DAYS[day].slice(0, 3)),
      ...row.map((events, hour) => cell(events, day, hour)))))))
}
