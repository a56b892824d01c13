// The devices of the period: the newest in a list, what their fingerprints share, when they are used; and one device.

import { href, hrefOf } from "./address.js"
import { element, fact, replace, section } from "./element.js"
import { count, duration, moment, named, percent } from "./figures.js"
import { failure } from "./failure.js"
import { table, wide } from "./table.js"
import { weekGrid } from "./week.js"

const PAGE = 50
const SIGNALS = 200
const MODES = { strict: "Strict", balanced: "Balanced", full: "Full", "": "Not told" }

export async function show(place, scene) {
  const { asking, parameters, zone, isEverEmpty, welcome } = scene
  if (parameters.get("view") === "device") return showOne(place, scene)
  const list = element("div", { class: "rows", "aria-busy": "true" })
  const summary = element("div", { "aria-busy": "true" })
  const made = element("section", { class: "card" }, element("header", {}, element("h2", {}, "Newest devices")), list)
  replace(place, element("div", { class: "stack" }, summary, made))
  const cursor = parameters.get("cursor")
  const found = asking.ask("devices", { limit: PAGE, ...(cursor ? { cursor } : {}) })
  found.catch(() => null) // what is wrong with it is told where it is awaited
  await drawSummary(summary, asking, zone)
  const { rows, next } = await found
  if (!rows.length && !cursor && await isEverEmpty()) return welcome()
  replace(list, wide(devicesTable(rows, zone)), next === null ? null
    : element("footer", { class: "steps" }, element("a", { class: "button", href: href({ cursor: next }) }, "Older devices")))
  list.removeAttribute("aria-busy")
}

async function drawSummary(place, asking, zone) {
  try {
    const told = await asking.ask("devices/summary", { limit: SIGNALS })
    replace(place, facts(told),
      element("section", { class: "card" }, element("header", {}, element("h2", {}, "By hour of the week")), weekGrid(told.usage, zone)),
      element("div", { class: "cards" }, ...signalCards(told), privacyCard(told), hashesCard(told)))
  } catch (error) {
    if (error.name === "AbortError") throw error
    replace(place, failure(error))
  }
  place.removeAttribute("aria-busy")
}

function facts({ devices, devices_with_fingerprint: known, distinct_hashes: hashes, devices_sharing_a_hash: sharing }) {
  return element("dl", { class: "facts card" },
    fact("Devices", count(devices)), fact("With a fingerprint", count(known)), fact("Different fingerprints", count(hashes)),
    fact("Devices that share theirs", known ? `${count(sharing)} (${percent(sharing / known)})` : count(sharing)))
}

// One card a signal, the most telling first; values beyond those asked for are not there.
function signalCards({ signals }) {
  const bySignal = Map.groupBy(signals, ({ signal }) => signal)
  return [...bySignal].map(([signal, rows]) => barCard(signal.replaceAll("_", " "), rows, ({ value }) => value))
}

function privacyCard({ privacy }) {
  return barCard("Privacy mode", privacy, ({ value }) => MODES[value] ?? value)
}

function hashesCard({ hashes }) {
  const shared = hashes.filter(({ devices }) => devices > 1)
  return barCard("Shared fingerprints", shared, ({ hash }) => element("code", {}, hash), "No two devices look the same.")
}

function barCard(title, rows, name, empty) {
  const shown = rows.slice(0, 7)
  const greatest = Math.max(...shown.map(({ devices }) => devices), 0)
  return element("section", { class: "card" }, element("header", {}, element("h2", { class: "name" }, title)),
    element("div", { class: "rows" }, table({
      caption: `Devices by ${title}`, rows: shown, empty,
      bar: ({ devices }) => (greatest ? devices / greatest : 0),
      columns: [
        { title: "Value", cell: name },
        { title: "Devices", isNumber: true, cell: ({ devices }) => count(devices) },
      ],
    })))
}

const machine = ({ browser, os, device_type: type }) => [browser, os, type].filter(Boolean).join(" · ") || "Unknown"

function devicesTable(rows, zone) {
  return table({
    caption: "Devices, the newest first", rows,
    columns: [
      { title: "Device", cell: (row) => element("a", { href: hrefOf("device", { device: row.device_id }), class: "link" },
        row.user_id || row.device_id.slice(0, 12)) },
      { title: "What it is", cell: machine },
      { title: "Country", cell: ({ country }) => named("country", country) },
      { title: "First seen", cell: (row) => moment(row.first_seen_at, zone) },
      { title: "Last seen", cell: (row) => moment(row.last_seen_at, zone) },
      { title: "Views", isNumber: true, cell: ({ pageviews }) => count(pageviews) },
      { title: "Events", isNumber: true, cell: ({ events }) => count(events) },
    ],
  })
}

async function showOne(place, { asking, parameters, zone }) {
  const box = element("div", { "aria-busy": "true" })
  replace(place, box)
  const told = await asking.withoutFilters().ask(`devices/${encodeURIComponent(parameters.get("device") || "")}`, { bots: "include" })
  const signals = Object.entries(told.fingerprint_signals)
  replace(box,
    element("dl", { class: "facts card" },
      fact("Device", element("code", {}, told.device_id)), told.user_id ? fact("User", told.user_id) : null,
      fact("What it is", machine(told)), fact("Country", named("country", told.country)),
      fact("First seen", moment(told.first_seen_at, zone)), fact("Last seen", moment(told.last_seen_at, zone)),
      fact("Events", count(told.events)), fact("Page views", count(told.pageviews)),
      fact("Privacy mode", MODES[told.privacy] ?? told.privacy), told.bot ? fact("Bot", "yes") : null),
    section("By hour of the week", { class: "card" }, weekGrid(told.usage, zone)),
    section("Fingerprint", { class: "card" }, signals.length
      ? table({ caption: "Signals", rows: signals, columns: [
        { title: "Signal", cell: ([name]) => name.replaceAll("_", " ") }, { title: "Value", cell: ([, value]) => value }] })
      : element("p", { class: "quiet" }, "It tells no signals.")),
    section("Sessions", { class: "card" }, wide(sessionsTable(told.sessions, zone))))
  box.removeAttribute("aria-busy")
}

function sessionsTable(rows, zone) {
  return table({
    caption: "Sessions of this device in the period", rows,
    columns: [
      { title: "Began", cell: (row) => moment(row.started_at, zone) },
      { title: "Entry", cell: (row) => row.entry_path || "–" },
      { title: "Came from", cell: (row) => row.referrer_host || "Direct" },
      { title: "Duration", isNumber: true, cell: (row) => duration(row.duration_seconds) },
      { title: "Views", isNumber: true, cell: ({ pageviews }) => count(pageviews) },
      { title: "Events", isNumber: true, cell: ({ events }) => count(events) },
    ],
  })
}
