// A line over time, with the period before as a second, dashed one. The pointer and the arrow keys read its values; a
// screen reader hears them as those of a slider. The table behind it is made by whoever shows the chart.

import { element, replace, shape } from "./element.js"

const HEIGHT = 260
const EDGE = { top: 16, right: 12, bottom: 28, left: 52 }

// Steps of 1, 2 or 5 up to at least the greatest value: [0, …].
export function ticksOf(greatest, isWhole = false, most = 4) {
  if (!(greatest > 0)) return [0, 1]
  const rough = isWhole ? Math.max(greatest / most, 1) : greatest / most
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= rough - 1e-12)
  const ticks = []
  for (let tick = 0; tick < greatest + step - 1e-9; tick += step) ticks.push(Number(tick.toPrecision(12)))
  return ticks
}

// Places of points in a picture of this width: {xs, y(value), ticks}.
export function layOut(points, width, isWhole) {
  const ticks = ticksOf(Math.max(...points.flatMap(({ value, before }) => [value, before ?? 0]), 0), isWhole)
  const inner = { width: Math.max(width - EDGE.left - EDGE.right, 10), height: HEIGHT - EDGE.top - EDGE.bottom }
  const step = points.length > 1 ? inner.width / (points.length - 1) : 0
  const xs = points.map((_, position) => EDGE.left + (points.length > 1 ? position * step : inner.width / 2))
  const y = (value) => EDGE.top + inner.height * (1 - value / ticks.at(-1))
  return { xs, y, ticks }
}

export function pathOf(xs, ys) {
  return xs.map((x, position) => `${position ? "L" : "M"}${x.toFixed(1)} ${ys[position].toFixed(1)}`).join("")
}

// points: {label, long, value, before, longBefore}; format: value → text; isWhole: a count; isRunning: the last interval is not over.
export function lineChart({ title, points, format, isWhole, isRunning }) {
  const picture = shape("svg", { "aria-hidden": "true", focusable: "false", height: HEIGHT })
  const readout = element("div", { class: "readout", hidden: true })
  const box = element(
    "div",
    {
      class: "chart",
      tabindex: "0",
      role: "slider",
      "aria-label": `${title} over time`,
      "aria-valuemin": 0,
      "aria-valuemax": Math.max(points.length - 1, 0),
      "aria-valuenow": Math.max(points.length - 1, 0),
      "aria-valuetext": words(points.at(-1), format),
      "aria-orientation": "horizontal",
    },
    picture,
    readout,
  )
  let place = null
  let drawn = 0

  const draw = () => {
    const width = box.clientWidth
    if (!width || width === drawn) return
    drawn = width
    place = layOut(points, width, isWhole)
    picture.setAttribute("width", width)
    picture.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`) // on paper it is made to fit
    replace(picture, drawing(points, place, width, format, isRunning))
  }
  const read = (position) => {
    draw()
    if (!points.length || !place) return
    const index = Math.max(0, Math.min(points.length - 1, position))
    box.setAttribute("aria-valuenow", index)
    box.setAttribute("aria-valuetext", words(points[index], format))
    mark(picture, place, points, index)
    showReadout(readout, points[index], format)
    const half = readout.offsetWidth / 2
    const left = Math.max(half, Math.min(box.clientWidth - half, place.xs[index]))
    readout.style.left = `${left}px`
  }
  const leave = () => {
    readout.hidden = true
    picture.querySelector(".mark")?.replaceChildren()
  }
  box.addEventListener("pointermove", (event) => {
    if (!place) return
    const x = event.clientX - box.getBoundingClientRect().left
    read(nearest(place.xs, x))
  })
  box.addEventListener("pointerleave", leave)
  box.addEventListener("blur", leave)
  box.addEventListener("focus", () => read(Number(box.getAttribute("aria-valuenow"))))
  box.addEventListener("keydown", (event) => {
    const now = Number(box.getAttribute("aria-valuenow"))
    const next = {
      ArrowLeft: now - 1,
      ArrowDown: now - 1,
      ArrowRight: now + 1,
      ArrowUp: now + 1,
      Home: 0,
      End: points.length - 1,
      PageUp: now - 7,
      PageDown: now + 7,
    }[event.key]
    if (event.key === "Escape") leave()
    if (next === undefined) return
    event.preventDefault()
    read(next)
  })
  new ResizeObserver(draw).observe(box)
  return box
}

function drawing(points, { xs, y, ticks }, width, format, isRunning) {
  const grid = ticks
    .map((tick) => [
      shape("line", {
        class: tick ? "grid" : "ground",
        x1: EDGE.left,
        x2: width - EDGE.right,
        y1: y(tick),
        y2: y(tick),
      }),
      shape("text", { class: "tick", x: EDGE.left - 10, y: y(tick) + 4, "text-anchor": "end" }, format(tick)),
    ])
    .flat()
  const every = Math.max(1, Math.ceil(points.length / Math.max(2, Math.floor(width / 95))))
  const labels = points.map(({ label }, position) => {
    const isShown = (points.length - 1 - position) % every === 0
    const anchor = anchorOf(position, points.length)
    return isShown
      ? shape("text", { class: "tick", x: xs[position], y: HEIGHT - 8, "text-anchor": anchor }, label)
      : null
  })
  const ys = points.map(({ value }) => y(value))
  const over = isRunning && points.length > 1 ? points.length - 1 : points.length
  const lines = []
  if (points.length > 1) {
    const area = `${pathOf(xs, ys)}L${xs.at(-1)} ${y(0)}L${xs[0]} ${y(0)}Z`
    lines.push(shape("path", { class: "area", d: area }))
    if (points.some(({ before }) => before))
      lines.push(
        shape("path", {
          class: "before",
          d: pathOf(
            xs,
            points.map(({ before }) => y(before ?? 0)),
          ),
        }),
      )
    lines.push(shape("path", { class: "line", d: pathOf(xs.slice(0, over), ys) }))
    if (over < points.length)
      lines.push(shape("path", { class: "line running", d: pathOf(xs.slice(over - 1), ys.slice(over - 1)) }))
  }
  return [...grid, ...labels, ...lines, ...alone(points, xs, ys, y(0), format), shape("g", { class: "mark" })]
}

// The only interval with something in it, as on a first day, stands on the ground and tells its figure.
function alone(points, xs, ys, ground, format) {
  const [only, another] = [...points.keys()].filter((position) => points[position].value)
  if (only === undefined || another !== undefined) return []
  const [x, y] = [xs[only], ys[only]]
  const isLeft = only > points.length / 2 // where its figure has room
  const figure = { class: "figure", x: x + (isLeft ? -10 : 10), y: y + 5, "text-anchor": isLeft ? "end" : "start" }
  return [
    shape("line", { class: "stem", x1: x, x2: x, y1: y, y2: ground }),
    shape("circle", { class: "dot", cx: x, cy: y, r: 5 }),
    shape("text", figure, format(points[only].value)),
  ]
}

function anchorOf(position, length) {
  if (length === 1) return "middle"
  return position === length - 1 ? "end" : position ? "middle" : "start"
}

function mark(picture, { xs, y }, points, index) {
  const x = xs[index]
  const { value, before } = points[index]
  replace(
    picture.querySelector(".mark"),
    shape("line", { class: "cursor", x1: x, x2: x, y1: EDGE.top, y2: HEIGHT - EDGE.bottom }),
    before === undefined ? null : shape("circle", { class: "dot-before", cx: x, cy: y(before), r: 3.5 }),
    shape("circle", { class: "dot", cx: x, cy: y(value), r: 4.5 }),
  )
}

function showReadout(readout, point, format) {
  readout.hidden = false
  replace(
    readout,
    element("strong", {}, format(point.value)),
    element("span", {}, point.long),
    point.before === undefined
      ? null
      : element("span", { class: "quiet" }, `${format(point.before)} · ${point.longBefore}`),
  )
}

function words(point, format) {
  if (!point) return "nothing in this period"
  const before = point.before === undefined ? "" : `; before, ${point.longBefore}: ${format(point.before)}`
  return `${point.long}: ${format(point.value)}${before}`
}

function nearest(xs, x) {
  let best = 0
  xs.forEach((each, position) => {
    if (Math.abs(each - x) < Math.abs(xs[best] - x)) best = position
  })
  return best
}
