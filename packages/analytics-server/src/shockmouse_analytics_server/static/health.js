// Whether events arrive: the counters of this server as its operators see them at /metrics, again every few seconds.

import { element, fact, replace } from "./element.js"
import { bytes, count, duration } from "./figures.js"
import { Refusal } from "./api.js"
import { table } from "./table.js"

const AGAIN_EVERY = 5_000
const LAG_SECONDS = 60 // later than this, somebody should look

// Prometheus' text: {name: {label: value}}, the label empty where a metric has none.
export function readMetrics(text) {
  const found = {}
  for (const line of text.split("\n")) {
    const parts = /^shockmouse_(\w+)(?:\{\w+="((?:[^"\\]|\\.)*)"\})? (\S+)$/.exec(line)
    if (!parts) continue
    const label = (parts[2] ?? "").replace(/\\(.)/g, (_, sign) => (sign === "n" ? "\n" : sign))
    found[parts[1]] ??= {}
    found[parts[1]][label] = Number(parts[3])
  }
  return found
}

export async function show(place, { signal }) {
  const box = element("div", { "aria-busy": "true" })
  replace(place, element("p", { class: "lead" },
    "What this server has counted since it was set up, for all of its projects. An event that was answered with 200 is on disk."), box)
  await draw(box, signal)
  box.removeAttribute("aria-busy")
  const timer = setInterval(() => {
    if (document.visibilityState === "visible") draw(box, signal).catch(() => null) // the next time may do better
  }, AGAIN_EVERY)
  signal.addEventListener("abort", () => clearInterval(timer))
}

async function draw(box, signal) {
  const [metrics, ready] = await Promise.all([askText("/metrics", signal), fetch("/readyz", { signal })])
  const { error } = ready.ok ? {} : await ready.json()
  const told = readMetrics(metrics)
  const one = (name) => told[name]?.[""] ?? 0
  const lag = one("spool_oldest_seconds")
  replace(box,
    element("dl", { class: "facts card" },
      fact("Events", state(!error, "are accepted", `are refused: ${error?.reason}`)),
      fact("Loading", state(lag < LAG_SECONDS, one("spool_rows") ? `${duration(lag)} behind` : "up to date", `${duration(lag)} behind`)),
      fact("In quarantine", state(!one("quarantine_rows"), "nothing", `${count(one("quarantine_rows"))} events`)),
      fact("Version", Object.keys(told.info ?? {})[0] || "–")),
    element("div", { class: "cards" },
      card("Accepted", [
        ["Events on disk", one("events_accepted_total")],
        ["Sent again, stored once", one("events_duplicate_total")],
        ["Stored in the database", one("loader_rows_total")],
      ]),
      card("Refused events", labelled(told.events_rejected_total), "No event was refused."),
      card("Refused requests", labelled(told.requests_refused_total), "No request was refused."),
      card("Left out", [...labelled(told.events_dropped_total), ...labelled(told.client_events_dropped_total, "by the sender: ")],
        "Nothing was left out."),
      card("Waiting on disk", [
        ["Events", one("spool_rows")], ["Size", one("spool_bytes"), bytes], ["Age of the oldest", lag, duration],
        ["Batch ids remembered", one("spool_batch_ids")],
      ]),
      card("Loading", [["Rows in quarantine", one("quarantine_rows")], ...labelled(told.loader_failures_total, "tried again: ")])))
}

async function askText(address, signal) {
  const answer = await fetch(address, { signal }).catch((error) => {
    if (error.name === "AbortError") throw error
    throw new Refusal(0, "unreachable", "The server does not answer.")
  })
  if (!answer.ok) throw new Refusal(answer.status, "metrics", `${address} answered ${answer.status}.`)
  return answer.text()
}

const labelled = (values = {}, before = "") =>
  Object.entries(values).sort((one, other) => other[1] - one[1]).map(([label, value]) => [before + label.replaceAll("_", " "), value])

function state(isGood, good, poor) {
  return element("span", { class: isGood ? "good" : "poor" }, isGood ? `✓ ${good}` : `✗ ${poor}`)
}

function card(title, rows, empty) {
  return element("section", { class: "card" }, element("header", {}, element("h2", {}, title)),
    element("div", { class: "rows short" }, table({
      caption: title, rows, empty,
      columns: [
        { title: "What", cell: ([name]) => name },
        { title: "Number", isNumber: true, cell: ([, value, format = count]) => format(value) },
      ],
    })))
}
