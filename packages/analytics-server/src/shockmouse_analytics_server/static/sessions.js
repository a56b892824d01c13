// The sessions of a period, the latest first. One session's events are told by timeline.js.

import { current, href, hrefOf } from "./address.js"
import { element, replace } from "./element.js"
import { count, duration, moment, named, several } from "./figures.js"
import { shortId } from "./live.js"
import { table, wide } from "./table.js"

const PAGE = 50
const SHORT = { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" }

export async function show(place, { asking, parameters, zone }) {
  const body = element("section", { class: "card", "aria-busy": "true" })
  replace(place, body)
  const { rows, next } = await asking.ask("sessions", { limit: PAGE, cursor: parameters.get("cursor") })
  replace(body, wide(sessionsTable(rows, zone)), pager(next))
  body.removeAttribute("aria-busy")
}

// The way to what follows; the way back is the browser's own.
export function pager(next) {
  const isFirst = !current().has("cursor")
  return element(
    "footer",
    { class: "steps", hidden: isFirst && !next },
    isFirst ? null : element("a", { class: "button", href: href({ cursor: null }) }, "First page"),
    next ? element("a", { class: "button", href: href({ cursor: next }) }, "Next") : null,
  )
}

export function sessionsTable(rows, zone) {
  return table({
    caption: "Sessions, the latest first",
    rows,
    empty: "No session began in this period.",
    columns: [
      {
        title: "Began",
        cell: (row) =>
          element(
            "a",
            { class: "outward", href: hrefOf("session", { session: row.session_id, device: row.device_id }) },
            moment(row.started_at, zone, SHORT),
          ),
      },
      {
        title: "Visitor",
        hides: "narrow",
        cell: (row) =>
          element(
            "a",
            { class: "path who", href: hrefOf("device", { device: row.device_id }), title: row.user_id || row.device_id },
            row.user_id || shortId(row.device_id),
          ),
      },
      { title: "Pages", cell: (row) => element("span", { class: "path", title: pagesOf(row) }, pagesOf(row)) },
      { title: "Views", isNumber: true, hides: "narrow", cell: ({ pageviews }) => count(pageviews) },
      {
        title: "Time",
        isNumber: true,
        cell: (row) => (row.bounce ? element("span", { class: "quiet" }, "bounce") : duration(row.duration_seconds)),
      },
      { title: "Events", isNumber: true, hides: "tablet", cell: ({ events }) => count(events) },
      {
        title: "Source",
        hides: "narrow",
        cell: (row) => element("span", { class: "path", title: sourceOf(row) }, sourceOf(row)),
      },
      { title: "Place", hides: "tablet", cell: ({ country }) => (country ? named("country", country) : "–") },
      { title: "With", hides: "middle", cell: withOf },
    ],
  })
}

export function sourceOf({ referrer_host, utm_source, utm_campaign, pageviews }) {
  if (!pageviews) return "–" // a program, which nobody was led to
  return [utm_source || referrer_host || "Direct", utm_campaign].filter(Boolean).join(" · ")
}

// Where it began, and where it ended if elsewhere; of a program's, what happened.
function pagesOf({ entry_path, exit_path, pageviews, counts }) {
  if (!pageviews)
    return Object.entries(counts)
      .map(([type, number]) => several(type, number))
      .join(", ")
  return entry_path === exit_path ? entry_path || "–" : `${entry_path || "–"} → ${exit_path || "–"}`
}

export const withOf = ({ browser, os }) => [browser, os].filter(Boolean).join(" · ") || "–"
