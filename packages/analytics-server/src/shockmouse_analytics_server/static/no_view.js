// What an address with an unknown view shows: which one it names, and the way to those that there are.

import { hrefOf } from "./address.js"
import { element, replace } from "./element.js"

export async function show(place, { parameters }) {
  replace(
    place,
    element(
      "section",
      { class: "card" },
      element("p", {}, `This dashboard has no view “${parameters.get("view")}”. The address may be mistyped or cut.`),
      element(
        "p",
        { class: "quiet" },
        "The list of views has them all. ",
        element("a", { href: hrefOf("overview") }, "Open the overview"),
        ".",
      ),
    ),
  )
}
