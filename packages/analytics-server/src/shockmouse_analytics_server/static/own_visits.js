// Leaving one's own visits out, in two ways. The browser script stays silent in a browser that opened the site with
// #shockmouse-ignore once. And this browser can remember devices that are one's own: every question then leaves them out.

import { go, href } from "./address.js"
import { button, element, outward } from "./element.js"

const storeName = (project) => `shockmouse.own.${project}`

// Device ids that this browser leaves out of a project's statistics.
export function ownDevices(project) {
  try {
    const kept = JSON.parse(localStorage.getItem(storeName(project)) || "[]")
    return Array.isArray(kept) ? kept.map(String).slice(0, 50) : []
  } catch {
    return [] // storage is blocked, or holds what is not ours
  }
}

export const isOwn = (project, device) => ownDevices(project).includes(device)

export function leaveOut(project, device, isLeftOut) {
  const others = ownDevices(project).filter((each) => each !== device)
  try {
    localStorage.setItem(storeName(project), JSON.stringify(isLeftOut ? [...others, device] : others))
  } catch {
    alert("This browser keeps nothing for this page, so it cannot remember the device.")
  }
  go(href({}), { replace: true })
}

// The filter that leaves them out, or null.
export function ownFilter(project) {
  const devices = ownDevices(project)
  return devices.length ? `device_id:is_not:${devices.map((each) => each.replace(/[\\|]/g, "\\$&")).join("|")}` : null
}

// Where the latest pages were seen: scheme, host and port.
async function sitesOf(asking) {
  const { rows } = await asking.ask("events", { filter: "type:is:page", limit: 200 }).catch(() => ({ rows: [] }))
  const origins = rows.filter(({ url }) => /^https?:/.test(url) && URL.canParse(url)).map(({ url }) => new URL(url).origin)
  return [...new Set(origins)].slice(0, 5)
}

// What to do, with links to the sites that the period knows.
export async function explain(dialog, asking, project) {
  const sites = await sitesOf(asking)
  const link = (site) => element("li", {}, outward(`${site}/#shockmouse-ignore`, `${site}/#shockmouse-ignore`))
  const kept = ownDevices(project).map((id) =>
    element(
      "li",
      {},
      element("code", {}, id),
      " ",
      button("Count again", () => (dialog.close(), leaveOut(project, id, false))),
    ),
  )
  dialog.replaceChildren(
    element(
      "form",
      { method: "dialog" },
      element("h2", {}, "Leave my own visits out"),
      element(
        "p",
        {},
        "Open your site once in each of your browsers with this address. The script then counts nothing from that browser:",
      ),
      element(
        "ul",
        { class: "plain" },
        ...(sites.length
          ? sites.map(link)
          : [element("li", {}, element("code", {}, "https://your-site/#shockmouse-ignore"))]),
      ),
      element(
        "p",
        { class: "quiet" },
        "#shockmouse-count counts them again. For visits of the past, open the visitor under Devices and choose “This is me”: this browser then shows the statistics without it.",
      ),
      element("h3", { hidden: !kept.length }, "Left out here"),
      element("ul", { class: "plain" }, ...kept),
      element("div", { class: "steps" }, element("button", { class: "primary" }, "Done")),
    ),
  )
  dialog.showModal()
}
