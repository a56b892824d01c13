// Tables: pure rows in, one element out. A table may carry bars behind its first column.

import { element, share } from "./element.js"

// columns: {title, cell: row → text or node, isNumber, wraps: over lines, hides: "narrow" on phones, "tablet" below 1200 px, "middle" below 1550 px}; bar: row → 0 to 1, drawn behind the first column.
export function table({ caption, columns, rows, bar, empty = "Nothing in this period.", rowAttributes = () => ({}) }) {
  const head = element(
    "tr",
    {},
    ...columns.map((column) => element("th", { scope: "col", class: classOf(column) }, column.title)),
  )
  const body = rows.map((row) => line(columns, row, rowAttributes(row), bar))
  if (!rows.length)
    body.push(element("tr", { class: "empty" }, element("td", { colspan: columns.length }, element("p", {}, empty))))
  return element(
    "table",
    { class: bar ? "bars" : null },
    element("caption", { class: "unseen" }, caption),
    element("thead", {}, head),
    element("tbody", {}, ...body),
  )
}

// One row of a table with these columns.
export function line(columns, row, attributes = {}, bar = null) {
  return element("tr", attributes, ...columns.map((column, position) => cell(column, row, position, bar)))
}

const classOf = ({ isNumber, wraps, hides }) =>
  [isNumber && "number", wraps && "wraps", hides && `hides-${hides}`].filter(Boolean).join(" ") || null

function cell(column, row, position, bar) {
  const made = element(
    position ? "td" : "th",
    { scope: position ? null : "row", class: classOf(column) },
    column.cell(row),
  )
  return bar && !position ? share(made, bar(row)) : made
}

// A table that may be wider than the page scrolls in a box of its own, which the keyboard reaches.
export function wide(made) {
  return element("div", { class: "wide", tabindex: "0", role: "region", "aria-label": made.caption.textContent }, made)
}
