// The dashboard's page: who is signed in, then the project's totals from the query API. Text enters through textContent.

const byId = (id) => document.getElementById(id)
const whole = new Intl.NumberFormat()
const percent = new Intl.NumberFormat(undefined, { style: "percent", maximumFractionDigits: 1 })
const decimal = new Intl.NumberFormat(undefined, { maximumFractionDigits: 2 })

const TOTALS = [
  ["visitors", "Visitors", whole.format],
  ["sessions", "Sessions", whole.format],
  ["pageviews", "Page views", whole.format],
  ["events", "Events", whole.format],
  ["bounce_rate", "Bounce rate", percent.format],
  ["session_duration_seconds", "Session duration", (seconds) => duration(seconds)],
  ["views_per_session", "Views per session", decimal.format],
]

let session = null

function duration(seconds) {
  const rounded = Math.round(seconds)
  return rounded < 60 ? `${rounded} s` : `${Math.floor(rounded / 60)} min ${rounded % 60} s`
}

// The first day of a period that ends now, as YYYY-MM-DD in the project's time zone.
function firstDay(days, timezone, now = new Date()) {
  const moment = new Date(now.getTime() - (days - 1) * 86_400_000)
  const parts = new Intl.DateTimeFormat("en-CA", { timeZone: timezone, year: "numeric", month: "2-digit", day: "2-digit" })
  return parts.format(moment)
}

const totalRows = (stats) => TOTALS.map(([name, title, format]) => [title, format(stats[name]), format(stats.previous[name])])
const dayRows = (answer) => answer.rows.map((row) => [row.start.slice(0, 10), whole.format(row.value)]).reverse()
const pageRows = (answer) => answer.rows.map((row) => [row.value || "(none)", whole.format(row.visitors), whole.format(row.pageviews)])

async function ask(path, parameters = {}) {
  const query = new URLSearchParams(parameters).toString()
  const response = await fetch(query ? `${path}?${query}` : path)
  const answer = await response.json()
  if (!response.ok) throw Object.assign(new Error(answer.error.reason), { status: response.status })
  return answer
}

function fill(table, titles, rows) {
  const cells = (texts, name) => texts.map((text) => Object.assign(document.createElement(name), { textContent: text }))
  const line = (texts, name) => {
    const row = document.createElement("tr")
    row.append(...cells(texts, name))
    return row
  }
  const head = document.createElement("thead")
  const body = document.createElement("tbody")
  head.append(line(titles, "th"))
  body.append(...(rows.length ? rows.map((row) => line(row, "td")) : [line(["nothing yet"], "td")]))
  table.replaceChildren(head, body)
}

function render({ message = "", project = "", answers = null }) {
  byId("message").textContent = message
  byId("project").textContent = project
  byId("sign-in").hidden = Boolean(project)
  byId("sign-out").hidden = !project
  byId("answers").hidden = !answers
  if (!answers) return
  fill(byId("totals"), ["", "This period", "The period before"], totalRows(answers.stats))
  fill(byId("series"), ["Day", "Page views"], dayRows(answers.days))
  fill(byId("pages"), ["Page", "Visitors", "Page views"], pageRows(answers.pages))
}

async function show() {
  const from = firstDay(Number(byId("days").value), session.timezone)
  try {
    const [stats, days, pages] = await Promise.all([
      ask("/api/v1/stats", { from, compare: "previous" }),
      ask("/api/v1/timeseries", { from, metric: "pageviews", interval: "day" }),
      ask("/api/v1/breakdown", { from, dimension: "path", metrics: "visitors,pageviews", limit: 20 }),
    ])
    render({ project: session.project, answers: { stats, days, pages } })
  } catch (error) {
    render({ project: session.project, message: error.message })
  }
}

async function start(wasAsked) {
  try {
    session = await ask("/session")
    history.replaceState(null, "", "/")
    await show()
  } catch (error) {
    const isOldLink = location.pathname === "/sign-in" && error.status === 401
    const message = isOldLink ? "This link was used or is too old. A new one comes from: project link NAME" : error.message
    render({ message: isOldLink || wasAsked || error.status !== 401 ? message : "" })
  }
}

byId("days").addEventListener("change", show)
byId("sign-in").addEventListener("submit", async (event) => {
  event.preventDefault()
  const response = await fetch("/sign-in", { method: "POST", body: new URLSearchParams(new FormData(event.target)) })
  if (response.ok) {
    event.target.reset()
    await start(true)
  } else {
    render({ message: (await response.json()).error.reason })
  }
})
byId("sign-out").addEventListener("click", async () => {
  await fetch("/sign-out", { method: "POST", headers: { "X-CSRF-Token": session.token } })
  session = null
  render({})
})

start(false)
