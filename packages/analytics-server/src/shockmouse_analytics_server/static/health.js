// Data health: what became of events on their way in. The project's own counts, and what waits on the server.

import { fetchJson } from "./api.js"
import { element, fact, replace } from "./element.js"
import { bytes, count, duration, moment } from "./figures.js"
import { REASONS } from "./reasons.js"
import { table } from "./table.js"

const EVERY = 5000
const KINDS = [
  ["rejected", "Rejected", "Events that were refused; the sender was told which and why."],
  ["dropped", "Left out by the server", "Events that were in order, and are not counted all the same."],
  ["client_dropped", "Left out by senders", "What programs say that they dropped before sending."],
]
const LATE_SECONDS = 60

export async function show(place, { project, zone, signal }) {
  const look = async () => draw(place, await fetchJson(`/data-health?project=${project.project}`, { signal }), zone)
  const timer = setInterval(() => document.visibilityState === "visible" && look().catch(() => null), EVERY)
  signal.addEventListener("abort", () => clearInterval(timer))
  await look()
}

function draw(place, { project, server }, zone) {
  const rejected = Object.values(project.rejected).reduce((sum, each) => sum + each, 0)
  replace(
    place,
    verdict(project, server),
    element(
      "section",
      { class: "card", id: "health" },
      element("header", {}, element("h2", {}, "Since this server began to count")),
      element(
        "dl",
        { class: "facts wide-facts" },
        fact("Accepted", count(project.accepted)),
        fact("Rejected", count(rejected)),
        fact("Duplicates", count(project.duplicates)),
        fact("In quarantine", count(project.quarantine.reduce((sum, { rows }) => sum + rows, 0))),
      ),
      element(
        "p",
        { class: "quiet" },
        "An accepted event is on disk. A duplicate came again, after an unclear answer, and counts once.",
      ),
    ),
    ...KINDS.filter(([name]) => Object.keys(project[name]).length).map(([name, title, hint]) =>
      section(title, hint, reasonsTable(title, name, project[name])),
    ),
    project.quarantine.length
      ? section(
          "Quarantine",
          "The database refused these rows. They are kept; an operator may replay them: spool replay.",
          table({
            caption: "Quarantine",
            rows: project.quarantine,
            columns: [
              { title: "Reason", cell: ({ reason }) => reason },
              { title: "Rows", isNumber: true, cell: ({ rows }) => count(rows) },
              { title: "Last", isNumber: true, cell: ({ last_at }) => moment(last_at, zone) },
            ],
          }),
        )
      : null,
    section(
      "The whole server",
      "Shared by all projects.",
      element(
        "dl",
        { class: "facts wide-facts" },
        fact("Lag to the database", duration(server.lag_seconds)),
        fact("Waiting on disk", `${count(server.spool_rows)} events`),
        fact("Their size", bytes(server.spool_bytes)),
        fact("In quarantine", count(server.quarantined)),
      ),
      Object.keys(server.refused).length
        ? reasonsTable("Requests refused whole", "refused", server.refused)
        : null,
      Object.keys(server.load_failures).length
        ? reasonsTable("Inserts that were tried again", "load_failures", server.load_failures)
        : null,
    ),
  )
}

function section(title, hint, ...parts) {
  return element(
    "section",
    { class: "card" },
    element("header", {}, element("h2", {}, title)),
    element("p", { class: "quiet" }, hint),
    ...parts,
  )
}

// One sentence on top: is all well, and if not, what is wrong first.
function verdict(project, server) {
  const isLate = server.lag_seconds > LATE_SECONDS
  const words = isLate
    ? `Figures are ${duration(server.lag_seconds)} behind: accepted events wait on disk for the database.`
    : project.quarantine.length
      ? "Some events could not be stored and wait in quarantine."
      : Object.keys(project.rejected).length
        ? "Events arrive and are stored. Some were rejected: see why below."
        : project.accepted
          ? "Events arrive and are stored. Nothing was rejected."
          : "No event has come yet."
  const tone = isLate || project.quarantine.length ? "poor" : "good"
  return element(
    "p",
    { class: `verdict ${tone}`, role: "status" },
    element("span", { class: "lamp", "aria-hidden": "true" }),
    words,
  )
}

function reasonsTable(caption, name, counts) {
  const rows = Object.entries(counts).sort(([, one], [, other]) => other - one)
  return table({
    caption,
    rows,
    empty: "None.",
    columns: [
      { title: caption, cell: ([code]) => (Object.hasOwn(REASONS[name], code) ? REASONS[name][code] : code) },
      { title: "Code", hides: "narrow", cell: ([code]) => element("code", { class: "quiet" }, code) },
      { title: "Number", isNumber: true, cell: ([, number]) => count(number) },
    ],
  })
}
