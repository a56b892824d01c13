// What a page's visit measures is one row among events: the vitals, how far somebody scrolled, how long they looked.

import { count, duration } from "./figures.js"
import { measured, VITALS } from "./vitals.js"

const MOST = 200 // page visits whose row may still grow
const vital = (name) => [["value"], (value) => `${name} ${measured(name, value)}`.replaceAll(" ", "\u00a0")]
// name: the properties that it has, and their words
const MEASURES = {
  ...Object.fromEntries(Object.keys(VITALS).map((name) => [name, vital(name)])),
  longtask: [
    ["count", "duration_ms"],
    (tasks, most) => `${count(tasks)} long ${tasks === 1 ? "task" : "tasks"} of up to ${measured("longtask", most)}`,
  ],
  engagement: [
    ["scroll_percent", "engaged_ms"],
    (percent, ms) => `scrolled ${count(percent)}%, looked for ${duration(ms / 1000)}`,
  ],
}

export class Folding {
  #open = new Map()

  // The row that tells the event: the event itself, or the growing one of its page's measurements, which stands where
  // the first of them does. The next view of the page begins another.
  add(event) {
    const visit = [event.device_id, event.session_id, event.path].join("\n")
    if (event.type === "page") this.#open.delete(visit)
    const words = wordsOf(event)
    if (words === null) return event
    const row = this.#open.get(visit) || { ...event, properties: {}, measures: new Map() }
    row.measures.set(event.name, words)
    row.name = Object.keys(MEASURES)
      .flatMap((name) => row.measures.get(name) ?? [])
      .join(" · ")
    this.#open.set(visit, row)
    if (this.#open.size > MOST) this.#open.delete(this.#open.keys().next().value)
    return row
  }
}

// Null where it is no measurement of a page, or not as our script sends it.
function wordsOf({ type, name, properties }) {
  if (type !== "performance" || !Object.hasOwn(MEASURES, name)) return null
  const [fields, say] = MEASURES[name]
  const values = fields.map((field) => Number(properties?.[field] ?? NaN))
  return values.every(Number.isFinite) ? say(...values) : null
}
