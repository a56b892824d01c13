// The empty state and the view of the snippet: what to paste with the project's own key. While no event has ever come it
// looks every few seconds, and turns into the overview by itself.

import { button, element, replace } from "./element.js"

const LOOK_EVERY = 2000

export function scriptTag(origin, key) {
  return `<script defer src="${origin}/agent.js" data-key="${key}"></script>`
}

export function pythonLines(origin, key) {
  return `# pip install shockmouse-analytics
from shockmouse_analytics import Analytics

analytics = Analytics("${key}", endpoint="${origin}")
analytics.track("Report exported", {"format": "pdf", "pages": 12})
analytics.flush(timeout=5)`
}

function snippet(title, hint, code) {
  const told = element("span", { class: "quiet", role: "status" })
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(code)
      told.textContent = "Copied"
    } catch {
      getSelection().selectAllChildren(text) // without TLS there is no clipboard: select it for the keyboard
      told.textContent = "Selected: press Ctrl-C"
    }
  }
  const text = element("code", {}, code)
  return element(
    "section",
    { class: "card snippet" },
    element(
      "header",
      {},
      element("h2", {}, title),
      element("span", { class: "copy" }, told, button("Copy", copy, { "aria-label": `Copy: ${title}` })),
    ),
    element("p", { class: "quiet" }, hint),
    element("pre", { tabindex: "0" }, text),
  )
}

export function snippets(project) {
  return element(
    "div",
    { class: "snippets" },
    snippet(
      "In a web site",
      "One line in the head of every page. It counts views, clicks, forms, web vitals and errors, never what is typed.",
      scriptTag(location.origin, project.write_key),
    ),
    snippet(
      "In a Python program",
      "From a script, a server or a task. Nothing is lost when this server is away: events wait on disk.",
      pythonLines(location.origin, project.write_key),
    ),
  )
}

export async function show(place, { project }) {
  replace(
    place,
    element(
      "p",
      { class: "lead" },
      "What to paste into your site or program. The write key in it is public by nature: it can only add events.",
    ),
    snippets(project),
  )
}

// The empty state; `arrived` is called once when the first event is there.
export function showEmpty(place, { project, asking, signal }, arrived) {
  document.body.classList.add("welcome")
  replace(
    place,
    element(
      "div",
      { class: "empty-state" },
      element("h2", { class: "big" }, "Waiting for the first event"),
      element(
        "p",
        { class: "lead" },
        "Paste one of these, open your site or run your program. This page turns into your statistics by itself.",
      ),
      element(
        "p",
        { class: "waiting", role: "status" },
        element("span", { class: "pulse", "aria-hidden": "true" }),
        "Listening…",
      ),
      snippets(project),
    ),
  )
  const timer = setInterval(async () => {
    const waits = await isEmpty(asking).catch(() => true)
    if (waits || signal.aborted) return
    clearInterval(timer)
    arrived()
  }, LOOK_EVERY)
  signal.addEventListener("abort", () => clearInterval(timer))
}

// Whether no event of a project was ever counted, those of bots included. A question that fails says nothing. The range ends
// with a quarter hour: up to now the last events would be looked at themselves, a moment before any total has them.
export async function isEmpty(asking) {
  const ever = { from: "2000-01-01", to: "2100-01-01", bots: "include" }
  try {
    return !(await asking.withoutFilters().ask("stats", ever)).events
  } catch (error) {
    if (error.name === "AbortError") throw error
    return false
  }
}
