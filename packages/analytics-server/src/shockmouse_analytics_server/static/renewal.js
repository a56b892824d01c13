// A period that runs is asked for again while it is looked at: quietly, and never under the hand of whoever reads.

import { go, href } from "./address.js"
import { periodOf } from "./period.js"

const EVERY = 30_000
const IN_USE = "details[open], dialog[open]"
const HELD = ":active, .readout:not([hidden])"

// draw: gets what to ask with, the period up to now, and which parts may be drawn anew. A round that fails leaves the
// figures as they are, and the next one comes.
export function renewed({ asking, parameters, period, zone, signal }, draw) {
  if (!period.isRunning || signal.aborted) return
  let isBusy = false
  const renew = async () => {
    if (isBusy || document.visibilityState !== "visible" || document.querySelector(IN_USE)) return
    const running = periodOf(parameters, zone)
    if (running.from !== period.from) return go(href({}), { replace: true }) // another day has begun
    isBusy = true
    await draw(asking.during(running), running, (part) => !signal.aborted && isFree(part)).catch(() => null)
    isBusy = false
  }
  const timer = setInterval(renew, EVERY)
  signal.addEventListener("abort", () => clearInterval(timer))
}

// Nothing in it has the focus, is pressed, read or marked.
function isFree(part) {
  const marked = getSelection()
  const isMarked = !marked.isCollapsed && marked.containsNode(part, true)
  const isHeld = part.contains(document.activeElement) || part.querySelector(HELD) || document.querySelector(IN_USE)
  return !isMarked && !isHeld
}
