// What stands above every view: its title, the period, filters, comparison, export; and the list of views beside it.

import { current, go, href, hrefOf } from "./address.js"
import { button, element, replace } from "./element.js"
import { chips, filterForm, popover } from "./filters.js"
import { datesOfPeriod, FIRST, LAST, PRESETS } from "./period.js"

// name, title, module, and which controls it has: p period, f filters, c comparison
export const VIEWS = [
  ["overview", "Overview", "overview", "pfc"],
  ["live", "Live", "live", "f"],
  ["sessions", "Sessions", "sessions", "pf"],
  ["devices", "Devices", "devices", "pf"],
  ["funnels", "Funnels", "funnel", "pf"],
  ["retention", "Retention", "retention", "pf"],
  ["paths", "Paths", "paths", "pf"],
  ["vitals", "Vitals", "vitals", "pf"],
  ["bots", "Bots", "bots", "p"],
  ["health", "Data health", "health", ""],
]
// Views that one of the list opens, with the one that stays marked there.
const INNER = {
  list: ["overview", "All values", "breakdowns", "pf"],
  event: ["overview", "Event", "event", "pf"],
  session: ["sessions", "Session", "timeline", ""],
  device: ["devices", "Device", "devices", "p"],
  setup: ["", "Snippet and keys", "welcome", ""],
}

// A press beside an open popover closes it.
document.addEventListener("pointerdown", ({ target }) => {
  for (const open of document.querySelectorAll(".popover[open]")) if (!open.contains(target)) open.open = false
})

export function describe(name) {
  const listed = VIEWS.find(([each]) => each === name)
  if (listed) return { name, title: listed[1], module: listed[2], controls: listed[3], parent: name }
  if (!Object.hasOwn(INNER, name))
    return { name: "none", title: "No such view", module: "no_view", controls: "", parent: "" }
  const [parent, title, module, controls] = INNER[name]
  return { name, title, module, controls, parent }
}

export function drawViews(place, parent) {
  replace(
    place,
    element(
      "ul",
      {},
      ...VIEWS.map(([name, title]) =>
        element("li", {}, element("a", { href: hrefOf(name), "aria-current": name === parent ? "page" : null }, title)),
      ),
    ),
  )
  const chosen = place.querySelector("[aria-current]") // on a narrow screen the list scrolls
  if (chosen) place.scrollLeft = chosen.offsetLeft - (place.clientWidth - chosen.offsetWidth) / 2
}

// session: what /session told; the project shown is chosen among those signed in to.
export function drawProjects(place, session, project) {
  const options = session.projects.map((each) =>
    element("option", { value: each.project, selected: each.project === project.project }, each.project),
  )
  const choose = (event) => {
    if (event.target.value === "+") return go(href({ view: "sign-in" }))
    go(href({ project: event.target.value, goal: null, filter: null }, new URLSearchParams(keepPeriod())))
  }
  replace(
    place,
    element(
      "select",
      { "aria-label": "Project", on: { change: choose } },
      ...options,
      element("option", { value: "+" }, "Another project…"),
    ),
  )
}

const keepPeriod = () => [...current()].filter(([name]) => ["view", "period", "from", "to", "compare"].includes(name))

export function drawHeader(place, view, { parameters, project, period, zone, asking, signOut, showOwnVisits, own }) {
  const has = (control) => view.controls.includes(control)
  const before = has("c") && parameters.get("compare") !== "none" ? ` · compared with ${datesOfPeriod(period.before)}` : ""
  replace(
    place,
    element(
      "div",
      { class: "title" },
      element("h1", { id: "title", tabindex: "-1" }, view.title),
      has("p") ? element("p", { class: "range quiet" }, `${datesOfPeriod(period)} · ${zone}${before}`) : null,
      element("p", { class: "on-paper quiet" }, `Project ${project.project}`),
    ),
    element(
      "div",
      { class: "controls" },
      has("p") ? periodPopover(period) : null,
      has("c") ? comparison(parameters) : null,
      has("f")
        ? popover(
            "Filter",
            filterForm((dimension) => asking.values(dimension)),
            { id: "filter" },
          )
        : null,
      more(asking, signOut, showOwnVisits),
    ),
    has("f") ? chips(parameters, own) : null,
  )
}

function periodPopover(period) {
  const presets = element(
    "ul",
    { class: "choices" },
    ...PRESETS.map(([name, title]) =>
      element(
        "li",
        {},
        element(
          "a",
          {
            href: href({ period: name, from: null, to: null, interval: null }),
            "aria-current": name === period.name ? "true" : null,
          },
          title,
        ),
      ),
    ),
  )
  const field = (name, title, value) =>
    element("label", {}, title, element("input", { type: "date", name, value, min: FIRST, max: LAST, required: true }))
  const apply = (event) => {
    event.preventDefault()
    const { from, to } = Object.fromEntries(new FormData(event.target))
    go(href({ period: "dates", from, to, interval: null }))
  }
  const last = new Date(Date.parse(`${period.to}Z`) - 1).toISOString().slice(0, 10)
  const dates = element(
    "form",
    { class: "dates", on: { submit: apply } },
    field("from", "From", period.from.slice(0, 10)),
    field("to", "To", last),
    element("button", {}, "Show"),
  )
  return popover(period.title, element("div", {}, presets, dates), { id: "period" })
}

function comparison(parameters) {
  const isOn = parameters.get("compare") !== "none"
  return element(
    "a",
    {
      class: "button",
      role: "switch",
      "aria-checked": String(isOn),
      id: "compare",
      href: href({ compare: isOn ? "none" : null }),
      on: { keydown: pressBySpace },
    },
    "Compare",
  )
}

function pressBySpace(event) {
  if (event.key !== " ") return
  event.preventDefault()
  event.target.click()
}

function more(asking, signOut, showOwnVisits) {
  const file = (format, title) =>
    element("li", {}, element("a", { href: asking.address("export", { format }), download: true }, title))
  const item = (title, press) => element("li", {}, button(title, press))
  return popover(
    element("span", {}, "More"),
    element(
      "ul",
      { class: "choices" },
      file("csv", "Export as CSV"),
      file("jsonl", "Export as JSON lines"),
      element("li", {}, element("a", { href: hrefOf("setup") }, "Snippet and keys")),
      item("Leave my own visits out", showOwnVisits),
      item("Print", () => print()),
      item("Sign out", signOut),
    ),
    { id: "more" },
  )
}
