// Visitors: the devices of a period with what their fingerprints share, and one device with its history.

import { hrefOf } from "./address.js"
import { button, element, fact, replace } from "./element.js"
import { count, moment, named } from "./figures.js"
import { shortId } from "./live.js"
import { isOwn, leaveOut } from "./own_visits.js"
import { pager, sessionsTable, withOf } from "./sessions.js"
import { table, wide } from "./table.js"
import { properties } from "./timeline.js"
import { weekGrid } from "./week.js"

const PAGE = 50

export async function show(place, scene) {
  return scene.parameters.get("device") ? showOne(place, scene) : showList(place, scene)
}

async function showList(place, { asking, parameters, zone }) {
  const [{ rows, next }, summary] = await Promise.all([
    asking.ask("devices", { limit: PAGE, cursor: parameters.get("cursor") }),
    asking.ask("devices/summary", { limit: 8 }),
  ])
  replace(
    place,
    element(
      "section",
      { class: "card" },
      element(
        "dl",
        { class: "facts wide-facts" },
        fact("Visitors", count(summary.devices)),
        fact("With a fingerprint", count(summary.devices_with_fingerprint)),
        fact("Distinct fingerprints", count(summary.distinct_hashes)),
        fact("Shared by several", count(summary.shared_hashes)),
      ),
    ),
    element(
      "div",
      { class: "split" },
      element(
        "section",
        { class: "card" },
        element("header", {}, element("h2", {}, "When it is used")),
        weekGrid(summary.usage, "Events by hour of the week"),
      ),
      element(
        "section",
        { class: "card" },
        element("header", {}, element("h2", {}, "Most frequent signals")),
        signals(summary),
      ),
    ),
    element(
      "section",
      { class: "card" },
      element("header", {}, element("h2", {}, "Visitors, the newest first")),
      wide(devicesTable(rows, zone)),
      pager(next),
    ),
  )
}

function signals({ signals, devices }) {
  return table({
    caption: "Signals of fingerprints",
    rows: signals,
    bar: (row) => row.devices / devices,
    columns: [
      { title: "Signal", cell: ({ signal, value }) => `${signal}: ${value}` },
      { title: "Visitors", isNumber: true, cell: (row) => count(row.devices) },
    ],
  })
}

function devicesTable(rows, zone) {
  return table({
    caption: "Visitors, the newest first",
    rows,
    empty: "No visitor in this period.",
    columns: [
      {
        title: "Visitor",
        cell: (row) =>
          element(
            "a",
            {
              class: "outward path who",
              href: hrefOf("device", { device: row.device_id }),
              title: row.user_id || row.device_id,
            },
            row.user_id || shortId(row.device_id),
          ),
      },
      { title: "First seen", hides: "tablet", cell: (row) => moment(row.first_seen_at, zone) },
      { title: "Last seen", cell: (row) => moment(row.last_seen_at, zone) },
      { title: "Place", hides: "narrow", cell: ({ country }) => (country ? named("country", country) : "–") },
      { title: "With", hides: "narrow", cell: withOf },
      { title: "Screen", hides: "middle", cell: ({ screen }) => screen || "–" },
      { title: "Views", isNumber: true, cell: ({ pageviews }) => count(pageviews) },
      { title: "Events", isNumber: true, hides: "tablet", cell: ({ events }) => count(events) },
    ],
  })
}

async function showOne(place, { asking, parameters, zone, project }) {
  const id = parameters.get("device")
  const device = await asking.ask(`devices/${encodeURIComponent(id)}`, { bots: "include" })
  const own = isOwn(project.project, id)
  replace(
    place,
    element(
      "section",
      { class: "card" },
      element(
        "header",
        {},
        element("h2", {}, device.user_id || shortId(id)),
        button(own ? "Count these visits again" : "This is me: leave it out", () =>
          leaveOut(project.project, id, !own),
        ),
      ),
      element(
        "dl",
        { class: "facts" },
        fact("First seen", moment(device.first_seen_at, zone)),
        fact("Last seen", moment(device.last_seen_at, zone)),
        fact("Events", count(device.events)),
        fact("Page views", count(device.pageviews)),
        fact("Place", device.country ? named("country", device.country) : "Unknown"),
        fact("Browser", [device.browser, device.browser_version].filter(Boolean).join(" ") || "–"),
        fact("System", [device.os, device.os_version].filter(Boolean).join(" ") || "–"),
        fact("Device", device.device_type ? named("device_type", device.device_type) : "–"),
        fact("Screen", device.screen || "–"),
        fact("Language", device.locale ? named("locale", device.locale) : "–"),
        fact("Time zone", device.timezone || "–"),
        fact("Privacy mode", device.privacy || "–"),
        fact("Device id", element("code", {}, id)),
      ),
    ),
    element(
      "div",
      { class: "split" },
      element(
        "section",
        { class: "card" },
        element("header", {}, element("h2", {}, "When it is used")),
        weekGrid(device.usage, "Events by hour of the week"),
      ),
      element(
        "section",
        { class: "card" },
        element("header", {}, element("h2", {}, "Fingerprint")),
        element(
          "p",
          { class: "quiet" },
          device.fingerprint_hash ? element("code", {}, device.fingerprint_hash) : "Nothing but coarse facts was sent.",
        ),
        properties(Object.entries(device.fingerprint_signals || {})),
      ),
    ),
    element(
      "section",
      { class: "card" },
      element("header", {}, element("h2", {}, "Sessions in this period")),
      wide(sessionsTable(device.sessions, zone)),
    ),
  )
}
