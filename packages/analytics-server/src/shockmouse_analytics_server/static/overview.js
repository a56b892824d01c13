// The first view: totals with their change, a line over time, breakdowns, who is here now. All boxes have their size
// before their answers come, so nothing moves.

import { go, href, hrefOf } from "./address.js"
import { card, CARDS } from "./breakdowns.js"
import { lineChart } from "./chart.js"
import { disclosure, element, replace } from "./element.js"
import { change, compact, count, duration, percent, ratio, wall } from "./figures.js"
import { failure } from "./failure.js"
import { goalsCard } from "./goals.js"
import { LABELS } from "./period.js"
import { renewed } from "./renewal.js"
import { table } from "./table.js"

// metric, title, format, format of the axis, whether less is better
export const METRICS = [
  ["visitors", "Visitors", compact, compact],
  ["sessions", "Sessions", compact, compact],
  ["pageviews", "Page views", compact, compact],
  ["events", "Events", compact, compact],
  ["bounce_rate", "Bounce rate", percent, percent, true],
  ["session_duration_seconds", "Duration", duration, duration],
  ["views_per_session", "Views / session", ratio, ratio],
]
const NOW_EVERY = 10_000
const COUNTED_WITHIN = 1000

export async function show(place, { asking, parameters, period, zone, signal, isEverEmpty, welcome }) {
  const compares = parameters.get("compare") !== "none"
  const metric = METRICS.find(([name]) => name === parameters.get("metric")) || METRICS[0]
  const totals = element("div", { class: "totals" })
  const chartBox = element("div", { class: "chart-box", "aria-busy": "true" })
  const now = element("p", { class: "now", role: "status" })
  drawTotals(totals, null, null, metric, compares)
  const cards = CARDS.map(card)
  const goals = goalsCard(asking.project, parameters)
  replace(
    place,
    element(
      "section",
      { class: "card hero", "aria-label": "Totals" },
      totals,
      element("header", { class: "chart-head" }, element("h2", {}, `${metric[1]} over time`), now, intervals(period)),
      chartBox,
    ),
    element("div", { class: "cards" }, ...cards.map(({ made }) => made), goals.made),
  )

  const both = (question, { before } = period) => Promise.all([question({}), compares ? question(before) : null])
  const askLines = (again = asking, running = period) => {
    const lines = both((range) => askSeries(again, metric[0], running, range), running)
    lines.catch(() => null) // what is wrong with it is told where it is awaited
    return lines
  }
  const askTotals = (again = asking, running = period) => both((range) => again.ask("stats", range), running)
  let series = askLines()
  let [current, before] = await askTotals()
  if (!current.events) {
    if (await isEverEmpty()) return welcome()
    series = askLines() // the first event may have come between the two answers
    ;[current, before] = await askTotals()
  }
  if (current.events && !current.sessions && period.isRunning) {
    await new Promise((done) => setTimeout(done, COUNTED_WITHIN)) // an event is counted a moment before its session
    series = askLines()
    ;[current, before] = await askTotals()
  }
  if (!current.events) tellWhy(chartBox.parentElement, asking, parameters).catch(() => null)
  drawTotals(totals, current, before, metric, compares)
  drawChart(chartBox, await series, metric, period)
  // Rollups answer all of these; what reads events, as the last two and who is here now, waits until they are there.
  const isRolledUp = ({ made }) => made.id !== "card-happenings"
  await Promise.all(cards.filter(isRolledUp).map(({ body, load }) => loaded(body, () => load(asking))))
  performance.mark("ready")
  followNow(now, asking, signal)
  const others = [...cards.filter((each) => !isRolledUp(each)), goals]
  await Promise.all(others.map(({ body, load }) => loaded(body, () => load(asking))))
  let rounds = 0 // what reads events one by one is asked for again in each tenth only
  renewed({ asking, parameters, period, zone, signal }, async (again, running, isFree) => {
    const [[current, before], lines] = await Promise.all([askTotals(again, running), askLines(again, running)])
    if (current.events) place.querySelector(".hero > .note")?.remove()
    if (isFree(totals)) drawTotals(totals, current, before, metric, compares)
    if (isFree(chartBox)) drawChart(chartBox, lines, metric, running)
    for (const { load } of ++rounds % 10 ? cards.filter(isRolledUp) : [...cards, goals]) await load(again, isFree)
  })
}

const LONGEST = "12mo"

// Where nothing is counted, because only bots came, nothing fits the filters, or nobody came.
async function tellWhy(place, asking, parameters) {
  const { events } = await asking.ask("stats", { bots: "only" })
  const way = (words, changes) => element("a", { href: href(changes) }, words)
  const longer = way("Look at the last 12 months", { period: LONGEST, from: null, to: null })
  const bots = `Only bots came in this period: ${count(events)} of their events are left out. `
  const words = events
    ? [bots, element("a", { href: hrefOf("bots") }, "See why")]
    : parameters.has("filter")
      ? ["Nothing in this period fits the filters. ", way("Take them out", { filter: null })]
      : ["Nothing came in this period. ", parameters.get("period") === LONGEST ? null : longer]
  place.append(element("p", { class: "note", role: "status" }, ...words)) // over the empty chart, so that nothing moves
}

async function loaded(body, load) {
  try {
    await load()
  } catch (error) {
    if (error.name === "AbortError") throw error
    replace(body, failure(error))
  }
  body.removeAttribute("aria-busy")
}

function drawTotals(place, current, before, [chosen], compares) {
  replace(
    place,
    METRICS.map(([name, title, format, , lessIsBetter]) => {
      const { words, way } = current && before ? change(current[name], before[name]) : { words: "", way: "same" }
      const tone = way === "same" ? "quiet" : (way === "up") !== Boolean(lessIsBetter) ? "good" : "poor"
      return element(
        "a",
        {
          class: "total",
          href: href({ metric: name === "visitors" ? null : name }),
          "aria-current": name === chosen ? "true" : null,
        },
        element("span", { class: "label" }, title),
        element(
          "strong",
          { title: current && format === compact ? count(current[name]) : null },
          current ? format(current[name]) : "–",
        ),
        compares
          ? element(
              "span",
              { class: `change ${tone}` },
              words || " ",
              words && before ? element("span", { class: "unseen" }, ` than before: ${format(before[name])}`) : null,
            )
          : null,
      )
    }),
  )
}

export async function askSeries(asking, metric, period, range) {
  const { rows } = await asking.ask("timeseries", { metric, interval: period.interval, ...range })
  return rows
}

export function drawChart(place, [rows, before], [, title, format, axis], period) {
  const words = LABELS[period.interval]
  const points = rows.map((row, position) => ({
    label: wall(row.start, words.short),
    long: wall(row.start, words.long),
    value: row.value,
    ...(before?.[position]
      ? { before: before[position].value, longBefore: wall(before[position].start, words.long) }
      : {}),
  }))
  const columns = [
    { title: "Time", cell: ({ long }) => long },
    { title, isNumber: true, cell: ({ value }) => (format === compact ? count(value) : format(value)) },
  ]
  if (before)
    columns.push({
      title: "Before",
      isNumber: true,
      cell: (point) => (point.before === undefined ? "–" : format(point.before)),
    })
  replace(
    place,
    lineChart({ title, points, format: axis, isWhole: axis === compact, isRunning: period.isRunning }),
    disclosure("Table", table({ caption: `${title} over time`, columns, rows: points })),
  )
  place.removeAttribute("aria-busy")
}

function intervals(period) {
  const choose = (event) =>
    go(href({ interval: event.target.value === period.intervals[0] ? null : event.target.value }))
  const titles = { hour: "by hour", day: "by day", week: "by week", month: "by month" }
  return element(
    "select",
    { "aria-label": "Length of intervals", on: { change: choose } },
    ...period.intervals.map((each) =>
      element("option", { value: each, selected: each === period.interval }, titles[each]),
    ),
  )
}

// Visitors of the last five minutes, again and again until another view is shown; nothing while nobody can tell.
function followNow(place, asking, signal) {
  const tell = async () => {
    if (document.visibilityState !== "visible") return
    const { visitors } = await asking.ask("realtime", { from: null, to: null, limit: 1 }).catch(() => ({}))
    if (signal.aborted) return
    if (visitors === undefined) return replace(place)
    replace(
      place,
      element("span", { class: visitors ? "pulse" : "pulse still", "aria-hidden": "true" }),
      `${count(visitors)} ${visitors === 1 ? "visitor" : "visitors"} now`,
    )
  }
  const timer = setInterval(tell, NOW_EVERY)
  signal.addEventListener("abort", () => clearInterval(timer))
  tell()
}
