// Breakdowns: cards of the overview with tabs and bars, and one dimension's whole list. A click on a row filters by it.

import { current, href, hrefOf, hasFilter, toggled } from "./address.js"
import { element, replace } from "./element.js"
import { compact, count, duration, named, percent, ratio } from "./figures.js"
import { filterOf, titleOf } from "./filters.js"
import { table, wide } from "./table.js"

const ROWS = 7
const PAGE = 50
// name (in the address: which tab), title, tabs, metrics with the first for the bars. A tab: how the address names it,
// title, its dimension where that is another word, and the types of events it is about
export const CARDS = [
  [
    "pages",
    "Pages",
    [
      ["path", "All"],
      ["entry_path", "Entry"],
      ["exit_path", "Exit"],
    ],
    ["visitors", "pageviews"],
  ],
  [
    "sources",
    "Sources",
    [
      ["entry_referrer_host", "Referrers"],
      ["entry_utm_source", "Sources"],
      ["entry_utm_medium", "Media"],
      ["entry_utm_campaign", "Campaigns"],
    ],
    ["visitors", "sessions"],
  ],
  [
    "places",
    "Places",
    [
      ["country", "Countries"],
      ["locale", "Languages"],
    ],
    ["visitors", "sessions"],
  ],
  [
    "devices",
    "Devices",
    [
      ["device_type", "Devices"],
      ["browser", "Browsers"],
      ["os", "Systems"],
      ["screen", "Screens"],
    ],
    ["visitors", "sessions"],
  ],
  [
    "happenings",
    "Events",
    [
      ["name", "Events", "name", "track|form"],
      ["click", "Clicks", "name", "click"],
      ["error", "Errors", "name", "error"],
      ["type", "Types"],
    ],
    ["events", "visitors"],
  ],
]
const TITLES = {
  visitors: "Visitors",
  pageviews: "Views",
  sessions: "Sessions",
  events: "Events",
  bounce_rate: "Bounce rate",
  session_duration_seconds: "Duration",
  views_per_session: "Views / session",
}
const FORMATS = { bounce_rate: percent, session_duration_seconds: duration, views_per_session: ratio }
const ABOUT =
  "Of many events, distinct visitors and sessions come from sketches, 1 to 3 % off; events and views are exact."
const NO_EVENTS = 'No event of your own in this period. track("Signed up") sends one.'
// Titles of pages and texts of clicked links are names, too: a tab is about its types, unless others are asked for.
const filterOfTypes = (types) =>
  types && !current().getAll("filter").some((text) => text.startsWith("type:")) ? `type:is:${types}` : null

export function card([name, title, tabs, metrics]) {
  const [chosen, , dimension = chosen, types] = tabs.find(([tab]) => tab === current().get(name)) || tabs[0]
  const filter = filterOfTypes(types)
  const body = element("div", { class: "rows", "aria-busy": "true" })
  const choices =
    tabs.length < 2
      ? null
      : element(
          "ul",
          { class: "tabs", "aria-label": title },
          ...tabs.map(([each, words]) =>
            element(
              "li",
              {},
              element(
                "a",
                {
                  href: href({ [name]: each === tabs[0][0] ? null : each }),
                  "aria-current": each === chosen ? "true" : null,
                },
                words,
              ),
            ),
          ),
        )
  const load = async (asking, isFree = () => true) => {
    const { rows, next, exact } = await asking.ask("breakdown", {
      dimension,
      metrics: metrics.join(","),
      limit: ROWS,
      filter,
    })
    if (!isFree(body)) return
    about.hidden = exact
    const head = filter && chosen !== dimension ? named("type", types) : undefined
    const empty = chosen === "name" && !current().has("filter") ? NO_EVENTS : undefined
    replace(body, rowsTable(`${title} by ${titleOf(dimension)}`, dimension, rows, metrics, { head, empty }))
    rest.hidden = next === null
  }
  const rest = element(
    "a",
    {
      class: "rest",
      href: hrefOf("list", { dimension, filter: [...current().getAll("filter"), ...(filter ? [filter] : [])] }),
      hidden: true,
    },
    "Show all",
  )
  const about = element("span", { class: "quiet", title: ABOUT, hidden: true }, "≈ visitors are estimates")
  const made = element(
    "section",
    { class: "card", id: `card-${name}` },
    element("header", {}, element("h2", {}, title), choices),
    body,
    element("footer", { class: "ends" }, rest, about),
  )
  return { made, body, load }
}

export function rowsTable(caption, dimension, rows, metrics, { head, empty, format = compact } = {}) {
  const greatest = Math.max(...rows.map((row) => row[metrics[0]]), 0)
  const show = (metric, row) => (FORMATS[metric] || format)(row[metric])
  return table({
    caption,
    rows,
    empty,
    bar: (row) => (greatest ? row[metrics[0]] / greatest : 0),
    columns: [
      { title: head || titleOf(dimension), cell: (row) => valueLink(dimension, row.value) },
      ...metrics.map((metric, position) => ({
        title: TITLES[metric],
        isNumber: true,
        hides: position < 2 ? null : "narrow",
        cell: (row) => show(metric, row),
      })),
    ],
  })
}

// The link of a row: an event opens its own page, everything else becomes a filter, or stops being one.
function valueLink(dimension, value) {
  const words = named(dimension, value)
  const quiet = value === "" ? "quiet" : null
  if (dimension === "name" && value !== "")
    return element("a", { href: hrefOf("event", { name: value }), title: words }, words)
  const filter = filterOf(dimension, value)
  const isOn = hasFilter(filter)
  return element(
    "a",
    {
      href: href({ filter: toggled(filter) }),
      class: quiet,
      title: words,
      "aria-label": `${words}: ${isOn ? "take the filter out" : "filter by this"}`,
    },
    words,
  )
}

// One dimension's values, all of them, page by page.
export async function show(place, { asking, parameters }) {
  const dimension = parameters.get("dimension") || "path"
  const metrics = ["visitors", "sessions", "pageviews", "events", "bounce_rate", "session_duration_seconds"]
  const offset = Number(parameters.get("offset")) || 0
  const body = element("div", { class: "card", "aria-busy": "true" })
  replace(place, body)
  const { rows, next } = await asking.ask("breakdown", { dimension, metrics: metrics.join(","), limit: PAGE, offset })
  const step = (words, to) => element("a", { class: "button", href: href({ offset: to || null }) }, words)
  replace(
    body,
    element("h2", {}, titleOf(dimension)),
    wide(rowsTable(titleOf(dimension), dimension, rows, metrics, { format: count })),
    element(
      "footer",
      { class: "steps" },
      offset ? step("Previous", Math.max(0, offset - PAGE)) : null,
      next === null ? null : step("Next", next),
    ),
  )
  body.removeAttribute("aria-busy")
}
