// Hours of the week as a table whose cells are shaded by how much happens: 1 is Monday, hours of the project's clock.

import { element, share } from "./element.js"
import { count } from "./figures.js"

const DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
const HOURS = Array.from({ length: 24 }, (_, hour) => hour)

export function weekGrid(usage, caption) {
  const events = new Map(usage.map((each) => [`${each.weekday}:${each.hour}`, each.events]))
  const most = Math.max(...events.values(), 1)
  const cell = (weekday, hour) => {
    const value = events.get(`${weekday}:${hour}`) || 0
    const words = `${DAYS[weekday - 1]} ${hour}:00: ${count(value)}`
    return share(
      element("td", { title: words, class: "shade" }, element("span", { class: "unseen" }, count(value))),
      value / most,
    )
  }
  return element(
    "div",
    { class: "grid-box", tabindex: "0", role: "region", "aria-label": caption },
    element(
      "table",
      { class: "week" },
      element("caption", { class: "unseen" }, caption),
      element(
        "thead",
        {},
        element(
          "tr",
          {},
          element("td", {}),
          ...HOURS.map((hour) =>
            element("th", { scope: "col" }, element("span", { class: hour % 6 ? "unseen" : null }, String(hour))),
          ),
        ),
      ),
      element(
        "tbody",
        {},
        ...DAYS.map((day, position) =>
          element("tr", {}, element("th", { scope: "row" }, day), ...HOURS.map((hour) => cell(position + 1, hour))),
        ),
      ),
    ),
  )
}
