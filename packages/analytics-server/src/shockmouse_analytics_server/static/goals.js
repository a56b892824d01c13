// Goals: a page or an event that matters, with the share of visitors that reach it. They stand in the address, and this
// browser remembers them for each project, to put them into an address that has none.

import { go, href } from "./address.js"
import { element, replace } from "./element.js"
import { compact, percent } from "./figures.js"
import { filterOf } from "./filters.js"
import { table } from "./table.js"

const MOST = 8
const storeName = (project) => `shockmouse.goals.${project}`

// Goals are texts: page:/thanks or event:Order placed.
const usable = (goals) => goals.filter((goal) => /^(page|event):./.test(goal)).slice(0, MOST)

function goalsOf(parameters, project) {
  const given = parameters.getAll("goal")
  if (given.length) return usable(given)
  const goals = remembered(project)
  if (goals.length) history.replaceState(null, "", `/${href({ goal: goals }, parameters)}`)
  return goals
}

function remembered(project) {
  try {
    return usable(JSON.parse(localStorage.getItem(storeName(project)) || "[]"))
  } catch {
    return [] // storage is blocked, or holds what is not ours
  }
}

function keep(project, goals) {
  try {
    localStorage.setItem(storeName(project), JSON.stringify(goals))
  } catch {
    // Then the address alone has them.
  }
  go(href({ goal: goals }))
}

export function goalFilter(goal) {
  const value = goal.slice(goal.indexOf(":") + 1)
  return filterOf(goal.startsWith("page:") ? "path" : "name", value)
}

export function goalsCard(project, parameters) {
  const goals = goalsOf(parameters, project)
  const hint =
    "A goal is a page or an event that matters, such as a thank-you page or a sign-up. Add one to see which share of visitors reaches it."
  const body = goals.length
    ? element("div", { class: "rows", "aria-busy": "true" })
    : element("div", { class: "rows" }, element("p", { class: "quiet hint" }, hint))
  const load = async (asking, isFree = () => true) => {
    if (!goals.length) return
    const [all, ...reached] = await Promise.all([
      asking.ask("stats"),
      ...goals.map((goal) => asking.ask("stats", { filter: goalFilter(goal) })),
    ])
    if (!isFree(body)) return
    const rows = goals.map((goal, position) => ({
      goal,
      visitors: reached[position].visitors,
      rate: all.visitors ? reached[position].visitors / all.visitors : 0,
    }))
    replace(
      body,
      goalsTable(rows, (goal) =>
        keep(
          project,
          goals.filter((each) => each !== goal),
        ),
      ),
    )
  }
  const made = element(
    "section",
    { class: "card", id: "card-goals" },
    element("header", {}, element("h2", {}, "Goals")),
    body,
    element(
      "footer",
      {},
      goals.length < MOST
        ? goalForm((goal) => keep(project, [...goals.filter((each) => each !== goal), goal]))
        : element("p", { class: "quiet" }, `${MOST} goals are the most: remove one to add another.`),
    ),
  )
  return { made, body, load }
}

function goalsTable(rows, remove) {
  const removal = (goal) =>
    element(
      "button",
      {
        type: "button",
        class: "remove",
        "aria-label": `Remove the goal ${wordsOf(goal)}`,
        on: { click: () => remove(goal) },
      },
      "×",
    )
  return table({
    caption: "Goals",
    rows,
    bar: ({ rate }) => rate,
    columns: [
      { title: "Goal", cell: ({ goal }) => element("span", {}, wordsOf(goal)) },
      { title: "Visitors", isNumber: true, cell: ({ visitors }) => compact(visitors) },
      { title: "Rate", isNumber: true, cell: ({ rate }) => percent(rate) },
      { title: element("span", { class: "unseen" }, "Remove"), isNumber: true, cell: ({ goal }) => removal(goal) },
    ],
  })
}

const wordsOf = (goal) => goal.slice(goal.indexOf(":") + 1)

function goalForm(add) {
  const kind = element(
    "select",
    { name: "kind", "aria-label": "Kind of goal" },
    element("option", { value: "page" }, "Page"),
    element("option", { value: "event" }, "Event"),
  )
  const value = element("input", {
    name: "goal",
    "aria-label": "Page or event",
    placeholder: "/thanks",
    required: true,
  })
  kind.addEventListener("change", () => (value.placeholder = kind.value === "page" ? "/thanks" : "Order placed"))
  const submit = (event) => {
    event.preventDefault()
    if (value.value.trim()) add(`${kind.value}:${value.value.trim()}`)
  }
  return element("form", { class: "inline", on: { submit } }, kind, value, element("button", {}, "Add goal"))
}
