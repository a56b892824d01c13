// What is shown in the place of an answer that did not come: what happened, and what to do.

import { current, go, href, hrefOf } from "./address.js"
import { describe } from "./controls.js"
import { button, element } from "./element.js"

const ADVICE = {
  0: "The server does not answer.",
  422: "This takes more time than one question may: choose a shorter period or fewer filters.",
  503: "The database is away for a moment. Events are still accepted; nothing is lost.",
}
const OF_FILTERS = ["bad_filter", "unknown_dimension"]
const SHORTEST = { from: "2000-01-01", to: "2000-01-02" } // a day without events: only whether the question is understood

export function failure(error) {
  if (error.status === undefined) throw error
  const isAddress = error.status === 400 || error.status === 404 // asking the same again would not help
  return told(ADVICE[error.status] || sentence(error.message), isAddress ? wayOut() : tryAgain())
}

const tryAgain = () => button("Try again", () => go(href({}), { replace: true }))

function wayOut() {
  const { name, title } = describe(describe(current().get("view") || "overview").parent || "overview")
  return element("a", { class: "button", href: hrefOf(name) }, `Open ${title}`)
}

// The same, for a whole view: filters of the address that no question understands are named, each with the way out.
export async function failureOf(error, asking) {
  const wrong = OF_FILTERS.includes(error.code) ? await misunderstood(current().getAll("filter"), asking) : []
  if (!wrong.length) return failure(error)
  return element("div", {}, ...wrong.map(withoutFilter))
}

function withoutFilter(text) {
  const others = current()
    .getAll("filter")
    .filter((each) => each !== text)
  return told(
    `There is no filter “${text}”: it may be mistyped or cut.`,
    element("a", { class: "button", href: href({ filter: others }) }, "Remove this filter"),
  )
}

async function misunderstood(filters, asking) {
  const ask = (filter) => asking.withoutFilters().ask("stats", { ...SHORTEST, filter })
  const isWrong = await Promise.all(
    filters.map((filter) =>
      ask(filter).then(
        () => false,
        ({ code }) => OF_FILTERS.includes(code),
      ),
    ),
  )
  return filters.filter((_, position) => isWrong[position])
}

// Without the list of all that would fit, which belongs to programs.
const sentence = (reason) => `${reason[0].toUpperCase()}${reason.slice(1).split(": one of ")[0]}.`.replace("..", ".")

function told(words, way) {
  return element("div", { class: "failure", role: "alert" }, element("p", {}, words), way)
}
