// What is shown in the place of an answer that did not come: what happened, and what to do.

import { go, href } from "./address.js"
import { button, element } from "./element.js"

const ADVICE = {
  0: "The server does not answer.",
  422: "This takes more time than one question may: choose a shorter period or fewer filters.",
  503: "The database is away for a moment. Events are still accepted; nothing is lost.",
}

export function failure(error) {
  if (error.status === undefined) throw error
  return element(
    "div",
    { class: "failure", role: "alert" },
    element("p", {}, ADVICE[error.status] || error.message),
    button("Try again", () => go(href({}), { replace: true })),
  )
}
