// Signing in by a read key. A wrong one is told in place; the form works as a form of HTML too. Whoever was given an
// address comes to what it shows.

import { current } from "./address.js"
import { element, replace } from "./element.js"

// problem: why somebody is asked, if it must be told; cancel: where to go without signing in, if anywhere.
export function showSignIn(place, { problem, cancel }) {
  const told = element("p", { class: "failure", role: "alert", hidden: !problem }, problem)
  const key = element("input", {
    id: "key",
    name: "key",
    type: "password",
    autocomplete: "current-password",
    placeholder: "rk_…",
    required: true,
    spellcheck: "false",
  })
  const submit = async (event) => {
    event.preventDefault()
    const problem = await signIn(key.value)
    if (problem === null) return location.assign(asked())
    told.textContent = problem
    told.hidden = false
    key.select()
  }
  replace(
    place,
    element(
      "form",
      { id: "sign-in", method: "post", action: "/sign-in", class: "card", on: { submit } },
      element("h1", {}, "Sign in"),
      told,
      element("label", { for: "key" }, "Read key"),
      key,
      element(
        "div",
        { class: "steps" },
        element("button", { class: "primary" }, "Sign in"),
        cancel ? element("a", { class: "button", href: cancel }, "Back") : null,
      ),
      element(
        "p",
        { class: "quiet" },
        "It was printed when the project was made. Or make a one-time link on the server:",
      ),
      element("pre", {}, element("code", {}, "shockmouse-analytics-server project link NAME")),
    ),
  )
  key.focus()
}

// The address that was asked for, if it was for a view.
function asked() {
  const isView = location.pathname === "/" && current().get("view") !== "sign-in"
  return isView ? `/${location.search}` : "/"
}

// Null when signed in, else what to tell.
async function signIn(key) {
  try {
    const response = await fetch("/sign-in", { method: "POST", body: new URLSearchParams({ key }) })
    if (response.ok) return null
    const { error } = await response.json()
    return (
      {
        401: "This is not a read key of this server. A read key begins with rk_.",
        429: "Too many attempts: wait a minute.",
      }[response.status] || error.reason
    )
  } catch {
    return "The server does not answer. Is it running?"
  }
}

export async function signOut(token) {
  await fetch("/sign-out", { method: "POST", headers: { "X-CSRF-Token": token } })
  location.assign("/")
}
