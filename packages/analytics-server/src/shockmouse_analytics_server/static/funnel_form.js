// The form that a funnel is built in: steps, what ends a try between them, window, who is counted, what it is split by.
//
// A step is a text as a goal is, page:/pricing or event:Order placed. An exclusion is one, too, with the steps that it
// stands between before it where these are not the first and the last: 2-3:event:Help opened.

import { go, href } from "./address.js"
import { button, element } from "./element.js"
import { duration } from "./figures.js"
import { titleOf } from "./filters.js"

export const MOST = 10
export const USUAL_WINDOW = "604800"
export const DEEDS = "type:is:track|click|form" // the events that may be steps
const WINDOWS = [
  [3600, "an hour"],
  [86_400, "a day"],
  [604_800, "a week"],
  [2_592_000, "30 days"],
]
const DIMENSIONS = ["country", "locale", "device_type", "browser", "os", "screen", "host", "app_version"]

export const wordsOf = (step) => step.slice(step.indexOf(":") + 1)

// The words for a window of so many seconds.
export const windowOf = (seconds) => WINDOWS.find(([each]) => each === seconds)?.[1] ?? duration(seconds)

// {step, after, before}: numbers of steps, kept within a funnel of this length.
export function exclusionOf(text, length) {
  const [, after, before, step] = /^(?:(\d+)-(\d+):)?([^]*)$/.exec(text)
  const first = Math.min(Math.max(Number(after) || 1, 1), length - 1)
  return { step, after: first, before: Math.min(Math.max(Number(before) || length, first + 1), length) }
}

const textOf = ({ step, after, before }, length) =>
  after === 1 && before === length ? step : `${after}-${before}:${step}`

// pages, names: what to suggest.
export function funnelForm(steps, exclusions, parameters, pages, names) {
  const lines = element(
    "ol",
    { class: "steps-list" },
    ...steps.map((step, position) => stepLine(step, position, steps.length)),
  )
  const ends = element(
    "ul",
    { class: "steps-list exclusions" },
    ...exclusions.map((each, position) => endLine(each, position, steps.length)),
  )
  const commit = (given) => {
    const { step, exclude } = { ...read(lines, ends), ...given }
    const one = (name, usual) => (form.elements[name].value === usual ? null : form.elements[name].value)
    go(
      href({
        step,
        exclude,
        window: one("window", USUAL_WINDOW),
        by: one("by", "device"),
        breakdown: one("breakdown", ""),
      }),
    )
  }
  lines.addEventListener("click", ({ target }) => {
    const pressed = target.closest("button")
    if (!pressed) return
    const { step } = read(lines, ends)
    const position = Number(pressed.dataset.position)
    const [moved] = step.splice(position, 1)
    if (pressed.dataset.does === "up") step.splice(position - 1, 0, moved)
    commit({ step })
  })
  ends.addEventListener("click", ({ target }) => {
    const pressed = target.closest("button")
    if (pressed) commit({ exclude: read(lines, ends).exclude.toSpliced(Number(pressed.dataset.position), 1) })
  })
  const form = element(
    "form",
    { class: "card funnel-form", on: { submit: (event) => (event.preventDefault(), commit()) } },
    element("header", {}, element("h2", {}, "Steps")),
    lines,
    exclusions.length ? element("h3", {}, "Whoever does this on the way drops out") : null,
    ends,
    element("datalist", { id: "funnel-pages" }, ...pages.map((value) => element("option", { value }))),
    element("datalist", { id: "funnel-events" }, ...names.map((value) => element("option", { value }))),
    element(
      "div",
      { class: "steps" },
      button("Add a step", () => commit({ step: [...read(lines, ends).step, "event:"] }), {
        disabled: steps.length >= MOST,
      }),
      button("Add an exclusion", () => commit({ exclude: [...read(lines, ends).exclude, "event:"] }), {
        disabled: exclusions.length >= MOST,
      }),
    ),
    element(
      "div",
      { class: "steps" },
      choice("window", "Within", WINDOWS, parameters.get("window") || USUAL_WINDOW),
      choice(
        "by",
        "Counting",
        [
          ["device", "visitors"],
          ["user", "signed-in users"],
        ],
        parameters.get("by") || "device",
      ),
      choice("breakdown", "Split by", splits(parameters.get("breakdown")), parameters.get("breakdown") || ""),
      element("button", { class: "primary" }, "Show the funnel"),
    ),
  )
  return form
}

// What the fields hold, as the address has it.
function read(lines, ends) {
  const length = lines.children.length
  const stepOf = (line) => `${line.querySelector("select").value}:${line.querySelector("input").value.trim()}`
  const numberOf = (line, name) => Number(line.querySelector(`[data-end=${name}]`).value)
  const exclude = [...ends.children].map((line) =>
    textOf({ step: stepOf(line), after: numberOf(line, "after"), before: numberOf(line, "before") }, length),
  )
  return { step: [...lines.children].map(stepOf), exclude }
}

// A dimension that only the address names stays one of the choices.
function splits(chosen) {
  const listed = chosen && !DIMENSIONS.includes(chosen) ? [...DIMENSIONS, chosen] : DIMENSIONS
  return [["", "nothing"], ...listed.map((each) => [each, titleOf(each).toLowerCase()])]
}

function choice(name, label, options, chosen) {
  return element("label", {}, `${label} `, element("select", { name }, ...optionsOf(options, chosen)))
}

const optionsOf = (options, chosen) =>
  options.map(([value, title]) => element("option", { value, selected: String(value) === String(chosen) }, title))

function fieldsOf(step, label) {
  const isPage = step.startsWith("page:")
  const value = element("input", { value: wordsOf(step), "aria-label": `${label}: page or event`, autocomplete: "off" })
  const kind = element(
    "select",
    { "aria-label": `${label}: kind` },
    ...optionsOf(
      [
        ["page", "Page"],
        ["event", "Event"],
      ],
      isPage ? "page" : "event",
    ),
  )
  const fit = () => {
    value.setAttribute("list", kind.value === "page" ? "funnel-pages" : "funnel-events")
    value.placeholder = kind.value === "page" ? "/pricing" : "Order placed"
  }
  kind.addEventListener("change", fit)
  fit()
  return [kind, value]
}

function tool(does, sign, label, position, disabled = false) {
  const attributes = { type: "button", class: "remove", disabled, "data-does": does, "data-position": position }
  return element("button", { ...attributes, "aria-label": `${label} ${position + 1}` }, sign)
}

function stepLine(step, position, length) {
  return element(
    "li",
    {},
    ...fieldsOf(step, `Step ${position + 1}`),
    tool("up", "↑", "Move up step", position, !position),
    length > 2 ? tool("remove", "×", "Remove step", position) : null,
  )
}

function endLine({ step, after, before }, position, length) {
  const label = `Exclusion ${position + 1}`
  const numbers = (from, to) => Array.from({ length: to - from + 1 }, (_, each) => [from + each, `step ${from + each}`])
  const end = (name, words, options, chosen) =>
    element(
      "label",
      {},
      `${words} `,
      element("select", { "data-end": name, "aria-label": `${label}: ${words}` }, ...optionsOf(options, chosen)),
    )
  return element(
    "li",
    {},
    ...fieldsOf(step, label),
    end("after", "after", numbers(1, length - 1), after),
    end("before", "before", numbers(2, length), before),
    tool("remove", "×", "Remove exclusion", position),
  )
}
