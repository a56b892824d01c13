// Funnels: steps that are built here and stand in the address, and how many take them in order.

import { go, href } from "./address.js"
import { button, element, replace } from "./element.js"
import { count, duration, percent } from "./figures.js"
import { failure } from "./failure.js"
import { filterOf } from "./filters.js"
import { table, wide } from "./table.js"

const MOST = 10
const WINDOWS = [
  [3600, "an hour"],
  [86_400, "a day"],
  [604_800, "a week"],
  [2_592_000, "30 days"],
]
const USUAL_WINDOW = "604800"

// Steps are texts as goals are: page:/pricing or event:Order placed.
const bodyOf = (step) => {
  const value = step.slice(step.indexOf(":") + 1)
  return step.startsWith("page:") ? { type: "page", filters: [filterOf("path", value)] } : { name: value }
}
const wordsOf = (step) => step.slice(step.indexOf(":") + 1)

export async function show(place, { asking, parameters }) {
  const given = parameters.getAll("step").slice(0, MOST)
  const steps = given.length ? given : ["page:", "page:"]
  const result = element("section", { class: "card", id: "funnel-result", "aria-label": "Result" })
  const [pages, names] = await Promise.all([valuesOf(asking, "path"), valuesOf(asking, "name")])
  replace(place, builder(steps, parameters, pages, names), result)
  const complete = given.filter((step) => wordsOf(step))
  if (complete.length < 2)
    return replace(
      result,
      element(
        "p",
        { class: "quiet hint" },
        "Name at least two steps, such as a page and the event that should follow it. The funnel stands in the address: keep it as a bookmark, or send it to somebody.",
      ),
    )
  try {
    const body = {
      steps: complete.map(bodyOf),
      window_seconds: Number(parameters.get("window") || USUAL_WINDOW),
      by: parameters.get("by") === "user" ? "user" : "device",
    }
    const { rows } = await asking.post("funnel", body)
    replace(result, drawResult(complete, rows, body.by))
  } catch (error) {
    if (error.name === "AbortError") throw error
    replace(
      result,
      error.status === 400 ? element("p", { class: "failure", role: "alert" }, error.message) : failure(error),
    )
  }
}

async function valuesOf(asking, dimension) {
  const filter = dimension === "name" ? { filter: "type:is:track|click|form" } : {}
  const { rows } = await asking.ask("breakdown", { dimension, metrics: "events", limit: 50, ...filter })
  return rows.map(({ value }) => value).filter(Boolean)
}

function builder(steps, parameters, pages, names) {
  const list = element(
    "ol",
    { class: "steps-list" },
    ...steps.map((step, position) => stepFields(step, position, steps.length)),
  )
  const read = () =>
    [...list.children].map(
      (line) => `${line.querySelector("select").value}:${line.querySelector("input").value.trim()}`,
    )
  const commit = (changed = read()) =>
    go(href({ step: changed, window: choice("window", USUAL_WINDOW), by: choice("by", "device") }))
  const choice = (name, usual) => {
    const { value } = form.elements[name]
    return value === usual ? null : value
  }
  list.addEventListener("click", (event) => {
    const pressed = event.target.closest("button")
    if (!pressed) return
    const changed = read()
    const position = Number(pressed.dataset.position)
    const [moved] = changed.splice(position, 1)
    if (pressed.dataset.does === "up") changed.splice(position - 1, 0, moved)
    commit(changed)
  })
  const select = (name, label, options, chosen) =>
    element(
      "label",
      {},
      `${label} `,
      element(
        "select",
        { name },
        ...options.map(([value, title]) => element("option", { value, selected: String(value) === chosen }, title)),
      ),
    )
  const form = element(
    "form",
    { class: "card funnel-form", on: { submit: (event) => (event.preventDefault(), commit()) } },
    element("header", {}, element("h2", {}, "Steps")),
    list,
    element("datalist", { id: "funnel-pages" }, ...pages.map((value) => element("option", { value }))),
    element("datalist", { id: "funnel-events" }, ...names.map((value) => element("option", { value }))),
    element(
      "div",
      { class: "steps" },
      button("Add a step", () => commit([...read(), "event:"]), { disabled: steps.length >= MOST }),
      select("window", "Within", WINDOWS, parameters.get("window") || USUAL_WINDOW),
      select(
        "by",
        "Counting",
        [
          ["device", "visitors"],
          ["user", "signed-in users"],
        ],
        parameters.get("by") || "device",
      ),
      element("button", { class: "primary" }, "Show the funnel"),
    ),
  )
  return form
}

function stepFields(step, position, length) {
  const isPage = step.startsWith("page:")
  const value = element("input", {
    value: wordsOf(step),
    "aria-label": `Step ${position + 1}: page or event`,
    placeholder: isPage ? "/pricing" : "Order placed",
    list: isPage ? "funnel-pages" : "funnel-events",
    autocomplete: "off",
  })
  const kind = element(
    "select",
    { "aria-label": `Step ${position + 1}: kind` },
    element("option", { value: "page", selected: isPage }, "Page"),
    element("option", { value: "event", selected: !isPage }, "Event"),
  )
  kind.addEventListener("change", () => {
    value.setAttribute("list", kind.value === "page" ? "funnel-pages" : "funnel-events")
    value.placeholder = kind.value === "page" ? "/pricing" : "Order placed"
  })
  const tool = (does, sign, label) =>
    element(
      "button",
      {
        type: "button",
        class: "remove",
        "data-does": does,
        "data-position": position,
        "aria-label": `${label} ${position + 1}`,
      },
      sign,
    )
  return element(
    "li",
    {},
    kind,
    value,
    position ? tool("up", "↑", "Move up step") : null,
    length > 2 ? tool("remove", "×", "Remove step") : null,
  )
}

function drawResult(steps, rows, by) {
  const last = rows.at(-1)
  const lost = (row) => (row.step === 1 ? "" : rows[row.step - 2].count ? percent(1 - row.step_conversion) : "–")
  return [
    element(
      "p",
      { class: "outcome" },
      ...(rows[0].count
        ? [
            element("strong", {}, percent(last.conversion)),
            ` of ${count(rows[0].count)} ${by === "user" ? "users" : "visitors"} take all ${rows.length} steps`,
          ]
        : [`Nobody took the first step in this period: ${wordsOf(steps[0])}`]),
    ),
    wide(
      table({
        caption: "Steps of the funnel",
        rows,
        bar: ({ conversion }) => conversion,
        columns: [
          { title: "Step", cell: ({ step }) => `${step}. ${wordsOf(steps[step - 1])}` },
          { title: by === "user" ? "Users" : "Visitors", isNumber: true, cell: (row) => count(row.count) },
          {
            title: "Of the first",
            isNumber: true,
            cell: ({ conversion }) => (rows[0].count ? percent(conversion) : "–"),
          },
          { title: "Lost before", isNumber: true, cell: lost },
          {
            title: "Median time",
            isNumber: true,
            cell: (row) => (row.median_seconds === null ? "" : duration(row.median_seconds)),
          },
        ],
      }),
    ),
  ]
}
