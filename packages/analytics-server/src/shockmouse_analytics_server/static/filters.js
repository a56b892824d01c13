// Filters as the address holds them, DIMENSION:OPERATOR:VALUE: their words, the chips that take them out, the form that
// adds one.

import { go, href, toggled } from "./address.js"
import { element, replace } from "./element.js"
import { named } from "./figures.js"

export const DIMENSIONS = {
  path: "Page",
  entry_path: "Entry page",
  exit_path: "Exit page",
  host: "Host",
  title: "Title",
  entry_referrer_host: "Referrer",
  entry_utm_source: "Source",
  entry_utm_medium: "Medium",
  entry_utm_campaign: "Campaign",
  entry_utm_term: "Term",
  entry_utm_content: "Content",
  country: "Country",
  locale: "Language",
  device_type: "Device type",
  browser: "Browser",
  browser_version: "Browser version",
  os: "System",
  os_version: "System version",
  screen: "Screen",
  name: "Event",
  type: "Event type",
  user_id: "User",
  device_id: "Device",
  session_id: "Session",
  privacy: "Privacy mode",
  app_name: "Application",
  app_version: "Version",
  bot: "Bot",
}
const OPERATORS = {
  is: "is",
  is_not: "is not",
  contains: "contains",
  not_contains: "does not contain",
  gt: "over",
  gte: "at least",
  lt: "under",
  lte: "at most",
  is_set: "is there",
  is_not_set: "is not there",
}
const WITHOUT_VALUE = ["is_set", "is_not_set"]

const escaped = (value) => String(value).replace(/[\\|]/g, "\\$&")

// The filter that holds where the dimension has this value; the empty one is: not there.
export function filterOf(dimension, value) {
  return value === "" ? `${dimension}:is_not_set` : `${dimension}:is:${escaped(value)}`
}

export function titleOf(dimension) {
  return DIMENSIONS[dimension] || dimension.replace(/^(user_)?property\./, "")
}

// {dimension, operator, values}; a text that is none of ours stands as it is, so that it can be taken out.
export function parsed(text) {
  const found = /^(.+?):(is|is_not|contains|not_contains|gte?|lte?|is_set|is_not_set)(?::([^]*))?$/.exec(text)
  if (!found) return { dimension: text, operator: "", values: [] }
  const values = WITHOUT_VALUE.includes(found[2]) ? [] : (found[3] ?? "").match(/(\\[^]|[^|\\])+/g) || []
  return { dimension: found[1], operator: found[2], values: values.map((value) => value.replace(/\\([^])/g, "$1")) }
}

export function wordsOf(text) {
  const { dimension, operator, values } = parsed(text)
  const shown = values.map((value) => named(dimension, value)).join(" or ")
  return [titleOf(dimension), OPERATORS[operator] || operator, shown].filter(Boolean).join(" ")
}

// What is in force beyond the period, each a link that takes it out; own: whether one's own visits are left out.
export function chips(parameters, own) {
  const chip = (words, changes) =>
    element(
      "li",
      {},
      element(
        "a",
        { class: "chip", href: href(changes) },
        words,
        element("span", { class: "unseen" }, " – take this filter out"),
        element("span", { "aria-hidden": "true" }, " ×"),
      ),
    )
  const list = parameters.getAll("filter").map((text) => chip(wordsOf(text), { filter: toggled(text) }))
  const bots = parameters.get("bots")
  if (bots === "include" || bots === "only")
    list.push(chip(bots === "only" ? "Bots only" : "With bots", { bots: null }))
  if (own) list.push(element("li", {}, element("span", { class: "chip still" }, "Without my own visits")))
  return element("ul", { class: "chips", "aria-label": "Filters", hidden: !list.length }, ...list)
}

// The form that adds a filter; suggestions come from the values that the period has.
export function filterForm(suggest) {
  const options = (titles) => Object.entries(titles).map(([value, title]) => element("option", { value }, title))
  const dimension = element(
    "select",
    { name: "dimension", "aria-label": "What" },
    ...options(DIMENSIONS),
    element("option", { value: "property." }, "Property…"),
    element("option", { value: "user_property." }, "User property…"),
  )
  const property = element("input", {
    name: "property",
    "aria-label": "Property's name",
    placeholder: "plan",
    hidden: true,
  })
  const operator = element("select", { name: "operator", "aria-label": "How" }, ...options(OPERATORS))
  const list = element("datalist", { id: "filter-values" })
  const value = element("input", {
    name: "value",
    "aria-label": "Value",
    placeholder: "/pricing",
    list: list.id,
    autocomplete: "off",
  })
  const chosen = () => dimension.value + (dimension.value.endsWith(".") ? property.value.trim() : "")
  const fit = async () => {
    property.hidden = !dimension.value.endsWith(".")
    value.hidden = WITHOUT_VALUE.includes(operator.value)
    const asked = chosen()
    const values = asked.endsWith(".") ? [] : await suggest(asked).catch(() => [])
    if (asked === chosen())
      replace(
        list,
        values.map((each) => element("option", { value: each }, named(asked, each))),
      )
  }
  for (const field of [dimension, operator, property]) field.addEventListener("change", fit)
  const add = (event) => {
    event.preventDefault()
    if (chosen().endsWith(".") || (!value.hidden && !value.value)) return
    const text = `${chosen()}:${operator.value}${value.hidden ? "" : `:${escaped(value.value)}`}`
    const filters = toggled(text)
    go(href({ filter: filters.includes(text) ? filters : [...filters, text] }))
  }
  return element(
    "form",
    { class: "filter-form", on: { submit: add } },
    dimension,
    property,
    operator,
    value,
    list,
    element("button", { class: "primary" }, "Add"),
  )
}

// A popover of its own, opened by a button of the header.
export function popover(title, content, attributes = {}) {
  const made = element(
    "details",
    { class: "popover", ...attributes },
    element("summary", {}, title),
    element("div", { class: "panel" }, content),
  )
  made.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !made.open) return
    made.open = false
    made.querySelector("summary").focus()
  })
  made.addEventListener("focusout", (event) => {
    if (event.relatedTarget && !made.contains(event.relatedTarget)) made.open = false
  })
  return made
}
