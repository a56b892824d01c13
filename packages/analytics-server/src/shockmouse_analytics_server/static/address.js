// The whole state of the page stands in its address: view, project, period, filters, comparison, what is selected. So it
// can be shared and the back button works. A link is an <a href="?…">; a click on it changes the address without a load.

// What stays when another view is opened; the rest belongs to a view.
const KEPT = ["project", "period", "from", "to", "filter", "bots", "compare", "goal"]

// Where a list is; a list that changes begins anew.
const PLACES = ["cursor", "offset"]

export const current = () => new URLSearchParams(location.search)

// The address with these changes: a text, a list of texts, or null to take a parameter out.
export function href(changes, from = current()) {
  const parameters = new URLSearchParams(from)
  for (const place of PLACES) parameters.delete(place)
  for (const [name, value] of Object.entries(changes)) {
    parameters.delete(name)
    for (const each of [value ?? []].flat()) parameters.append(name, each)
  }
  const text = parameters.toString()
  return text ? `?${text}` : "?"
}

// The address of another view, with what is common to all of them.
export function hrefOf(view, changes = {}) {
  const parameters = new URLSearchParams()
  if (view !== "overview") parameters.set("view", view)
  for (const [name, value] of current()) if (KEPT.includes(name)) parameters.append(name, value)
  return href(changes, parameters)
}

export function hasFilter(text) {
  return current().getAll("filter").includes(text)
}

// The filters with this one added, or taken out where it stands.
export function toggled(text) {
  const filters = current().getAll("filter")
  return filters.includes(text) ? filters.filter((each) => each !== text) : [...filters, text]
}

let render = () => {}

export function go(target, { replace = false } = {}) {
  const path = target === "?" ? "/" : `/${target}`
  if (replace) history.replaceState(null, "", path)
  else if (location.pathname + location.search !== path) history.pushState(null, "", path)
  render()
}

// Calls back now and whenever the address changes: by a link, by go(), by back and forward.
export function follow(callback) {
  render = callback
  addEventListener("popstate", () => render())
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href^='?']")
    if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return
    event.preventDefault()
    go(link.getAttribute("href"))
  })
  render()
}
