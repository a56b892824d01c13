// The dashboard: who is signed in, then the view that the address asks for. Everything else is wired here.

import { current, follow, go, href, hrefOf } from "./address.js"
import { Asking, fetchJson } from "./api.js"
import { describe, drawHeader, drawProjects, drawViews } from "./controls.js"
import { element, replace } from "./element.js"
import { failureOf } from "./failure.js"
import { focusAgain, focused } from "./focus.js"
import { explain, ownFilter } from "./own_visits.js"
import { periodOf } from "./period.js"
import { showSignIn, signOut } from "./sign_in.js"
import { isEmpty, showEmpty } from "./welcome.js"

const byId = (id) => document.getElementById(id)

const LINK_GONE = "This link was used already, or is too old. Make a new one, or sign in with a read key."

let session = null
let leaving = new AbortController() // aborted when another view is shown
let shown = "" // the view that was shown last

async function begin() {
  const isLinkGone = location.pathname === "/sign-in"
  if (isLinkGone) history.replaceState(null, "", "/")
  try {
    session = await fetchJson("/session")
  } catch (error) {
    return error.status === 401 ? askWho(isLinkGone ? LINK_GONE : "") : broken(error)
  }
  follow(() => render().catch(broken))
}

function askWho(problem = "") {
  document.body.className = "signed-out"
  showSignIn(byId("room"), { problem, cancel: session && "?" })
}

async function broken(error, asking = null) {
  if (error.name === "AbortError") return
  if (error.status === 401) return askWho()
  document.body.classList.remove("loading")
  byId("room").removeAttribute("aria-busy")
  const told = await failureOf(error, asking)
  if (!asking?.signal.aborted) replace(byId("room"), told)
}

async function render() {
  leaving.abort()
  leaving = new AbortController()
  const parameters = current()
  const way = focused()
  const named = parameters.get("project")
  const project = named ? session.projects.find((each) => each.project === named) : session.projects[0]
  if (parameters.get("view") === "sign-in") return askWho()
  if (!project) return askWho(`This address shows the project “${named}”. Sign in with its read key.`)
  const view = describe(parameters.get("view") || "overview")
  const period = periodOf(parameters, project.timezone)
  const asking = askingOf(parameters, project, period, leaving.signal)
  const scene = { parameters, project, zone: project.timezone, period, asking, signal: leaving.signal }
  document.body.className = `view-${view.name}`
  document.title = `${view.title} · ${project.project} · Shockmouse Analytics`
  drawProjects(byId("projects"), session, project)
  drawViews(byId("views"), view.parent)
  const place = byId("room")
  drawHeader(byId("header"), view, {
    ...scene,
    signOut: () => {
      leaving.abort() // what is asked now would be refused
      signOut(session.token)
    },
    own: ownFilter(project.project),
    showOwnVisits: () => explain(byId("dialog"), asking, project.project),
  })
  place.setAttribute("aria-busy", "true")
  await showView(place, view, scene).catch((error) => broken(error, asking))
  if (scene.signal.aborted) return
  place.removeAttribute("aria-busy")
  focusAgain(way, byId("title"))
  place.dataset.address = location.search
}

async function showView(place, view, scene) {
  const isNew = shown && shown !== view.name
  shown = view.name
  const module = await import(`./${view.module}.js`).catch(() => {
    throw Object.assign(new Error("no module"), { status: 0 })
  })
  if (scene.signal.aborted) return
  if (isNew) {
    scrollTo(0, 0)
    byId("title").focus({ preventScroll: true })
  }
  const welcome = () => showEmpty(place, scene, () => go(href({}), { replace: true }))
  await module.show(place, { ...scene, isEverEmpty: () => isEmpty(scene.asking), welcome })
  if (view.name === "overview" || !place.querySelector(".empty, .hint")) return // the overview has looked itself
  if (!(await isEmpty(scene.asking)) || scene.signal.aborted) return
  if (!document.body.classList.contains("welcome")) place.append(firstEvent())
}

// What to do where a view has nothing to show, as no event has ever come.
const firstEvent = () =>
  element(
    "p",
    { class: "note", role: "status" },
    "No event of this project has come yet. ",
    element("a", { href: hrefOf("setup") }, "See what to paste"),
    ".",
  )

function askingOf(parameters, project, period, signal) {
  const common = [
    ["project", project.project],
    ["from", period.from],
    ["to", period.to],
  ]
  for (const value of parameters.getAll("filter")) common.push(["filter", value])
  const bots = parameters.get("bots")
  if (bots === "include" || bots === "only") common.push(["bots", bots])
  const own = ownFilter(project.project)
  if (own) common.push(["filter", own])
  return new Asking(common, { token: session.token, signal, project: project.project })
}

begin()
