// Periods of the project's clock: presets and dates become a range, the one before it, and the length of intervals.
//
// Times here are of a clock without a zone: a Date whose UTC fields are what the project's clock shows. The server reads
// them in the project's zone, so a day of 23 or 25 hours is one day. A range that runs ends with the quarter hour, which
// the server's sums know; the one before it ends as far into its own last day.

const DAY = 86_400_000
const QUARTER = 900_000
export const PRESETS = [
  ["today", "Today"],
  ["yesterday", "Yesterday"],
  ["7d", "Last 7 days"],
  ["30d", "Last 30 days"],
  ["90d", "Last 90 days"],
  ["month", "This month"],
  ["12mo", "Last 12 months"],
]
export const USUAL = "30d"
const DAYS = new Map([
  ["today", 1],
  ["7d", 7],
  ["30d", 30],
  ["90d", 90],
])
const SHORT_DATE = { day: "numeric", month: "short" }

export const text = (time) => new Date(time).toISOString().slice(0, 19)
export const dateText = (time) => new Date(time).toISOString().slice(0, 10)

// What the zone's clock shows now.
export function clockOf(zone, now = new Date()) {
  const format = new Intl.DateTimeFormat("en-GB", {
    timeZone: zone,
    hourCycle: "h23",
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
  })
  const part = Object.fromEntries(format.formatToParts(now).map(({ type, value }) => [type, value]))
  return Date.parse(`${part.year}-${part.month}-${part.day}T${part.hour}:${part.minute}:${part.second}Z`)
}

// The same day and time some months earlier, or that month's last day.
function monthsBefore(time, months) {
  const moved = new Date(time)
  const day = moved.getUTCDate()
  moved.setUTCDate(1)
  moved.setUTCMonth(moved.getUTCMonth() - months)
  const last = new Date(Date.UTC(moved.getUTCFullYear(), moved.getUTCMonth() + 1, 0)).getUTCDate()
  return moved.setUTCDate(Math.min(day, last))
}

// A day that there is, of the years that events can have.
export const [FIRST, LAST] = ["1971-01-02", "2139-12-30"]
const isDate = (given) =>
  /^\d{4}-\d\d-\d\d$/.test(given || "") && given >= FIRST && given <= LAST && dateOf(Date.parse(given)) === given
const dateOf = (time) => (Number.isNaN(time) ? "" : dateText(time))

// The period that an address asks for: {name, from, to, before: {from, to}, interval, intervals, isRunning, days}; from
// and to are texts for the server.
export function periodOf(parameters, zone, now = new Date()) {
  const clock = clockOf(zone, now)
  const today = clock - (clock % DAY)
  const soon = Math.ceil((clock + 1) / QUARTER) * QUARTER
  let name = parameters.get("period") || USUAL
  let from,
    to = soon,
    back
  if (name === "dates" && isDate(parameters.get("from")) && isDate(parameters.get("to"))) {
    const [first, last] = ["from", "to"].map((end) => Date.parse(parameters.get(end))).sort((one, other) => one - other)
    from = first
    to = Math.max(Math.min(last + DAY, soon), from + QUARTER)
    back = (time) => time - Math.ceil((to - from) / DAY) * DAY
  } else if (name === "yesterday") {
    from = today - DAY
    to = today
    back = (time) => time - DAY
  } else if (name === "month") {
    from = today - (new Date(today).getUTCDate() - 1) * DAY
    back = (time) => monthsBefore(time, 1)
  } else if (name === "12mo") {
    from = monthsBefore(today, 12) + DAY
    back = (time) => monthsBefore(time, 12)
  } else {
    const days = DAYS.get(name)
    if (!days) name = USUAL
    from = today - ((days || 30) - 1) * DAY
    back = (time) => time - (days || 30) * DAY
  }
  const days = (to - from) / DAY
  const intervals = intervalsOf(days)
  const wished = parameters.get("interval")
  return {
    name,
    from: text(from),
    to: text(to),
    before: { from: text(back(from)), to: text(back(to)) },
    interval: intervals.includes(wished) ? wished : intervals[0],
    intervals,
    isRunning: to >= soon,
    days,
    title: titleOf(name, from, to),
  }
}

// The lengths of intervals that make a readable line, the usual one first.
function intervalsOf(days) {
  if (days <= 2) return ["hour", "day"]
  if (days <= 14) return ["day", "hour"]
  if (days <= 100) return ["day", "week"]
  if (days <= 500) return ["week", "day", "month"]
  return ["month", "week"]
}

function titleOf(name, from, to) {
  const preset = PRESETS.find(([each]) => each === name)
  return preset ? preset[1] : datesOf(from, to)
}

// First and last day in words.
export function datesOf(from, to) {
  const format = (time, more) => new Date(time).toLocaleDateString("en-GB", { timeZone: "UTC", ...SHORT_DATE, ...more })
  const [first, last] = [dateText(from), dateText(to - 1)]
  if (first === last) return format(from, { year: "numeric" })
  const sameYear = first.slice(0, 4) === last.slice(0, 4)
  return `${format(from, sameYear ? {} : { year: "numeric" })} – ${format(to - 1, { year: "numeric" })}`
}

export const datesOfPeriod = (period) => datesOf(Date.parse(`${period.from}Z`), Date.parse(`${period.to}Z`))

// The words for an interval that begins at this time of the clock.
export const LABELS = {
  hour: {
    short: { hour: "2-digit", minute: "2-digit" },
    long: { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" },
  },
  day: { short: SHORT_DATE, long: { weekday: "short", day: "numeric", month: "short", year: "numeric" } },
  week: { short: SHORT_DATE, long: { day: "numeric", month: "short", year: "numeric" } },
  month: { short: { month: "short", year: "2-digit" }, long: { month: "long", year: "numeric" } },
}
