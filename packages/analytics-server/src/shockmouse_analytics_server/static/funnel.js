// Funnels: how many take the steps that stand in the address in order, and how that differs by country, browser and so on.

import { href } from "./address.js"
import { element, replace } from "./element.js"
import { count, duration, named, percent } from "./figures.js"
import { failure } from "./failure.js"
import { filterOf, titleOf } from "./filters.js"
import { DEEDS, exclusionOf, funnelForm, MOST, USUAL_WINDOW, windowOf, wordsOf } from "./funnel_form.js"
import { table, wide } from "./table.js"

const VALUES = 20

const bodyOf = (step) =>
  step.startsWith("page:") ? { type: "page", filters: [filterOf("path", wordsOf(step))] } : { name: wordsOf(step) }

export async function show(place, { asking, parameters }) {
  const given = parameters.getAll("step").slice(0, MOST)
  const steps = given.length > 1 ? given : [...given, "page:", "page:"].slice(0, 2)
  const texts = parameters.getAll("exclude").slice(0, MOST)
  const exclusions = texts.map((text) => exclusionOf(text, steps.length))
  const result = element("section", { class: "card", id: "funnel-result", "aria-label": "Result" })
  const [pages, names] = await Promise.all([asking.values("path"), asking.values("name", DEEDS)])
  replace(place, funnelForm(steps, exclusions, parameters, pages, names), result)
  const complete = given.filter(wordsOf)
  if (complete.length < 2)
    return replace(
      result,
      element(
        "p",
        { class: "quiet hint" },
        "Name at least two steps, such as a page and the event that should follow it. The funnel stands in the address: keep it as a bookmark, or send it to somebody.",
      ),
    )
  const body = {
    steps: complete.map(bodyOf),
    window_seconds: Number(parameters.get("window") || USUAL_WINDOW),
    by: parameters.get("by") === "user" ? "user" : "device",
    exclude: texts
      .map((text) => exclusionOf(text, complete.length))
      .filter(({ step }) => wordsOf(step))
      .map(({ step, after, before }) => ({ ...bodyOf(step), after, before })),
  }
  const { breakdown, offset } = Object.fromEntries(parameters)
  try {
    const [{ rows }, split] = await Promise.all([
      asking.post("funnel", body),
      breakdown ? asking.post("funnel", { ...body, breakdown, limit: VALUES, offset: Number(offset) || 0 }) : null,
    ])
    replace(result, drawResult(complete, rows, body, texts))
    if (split) result.after(drawSplit(complete, split, breakdown, Number(offset) || 0))
  } catch (error) {
    if (error.name === "AbortError") throw error
    replace(result, failure(error))
  }
}

function drawResult(steps, rows, { by, window_seconds }, exclusions) {
  const ends = exclusions.map((text) => wordsOf(exclusionOf(text, steps.length).step)).filter(Boolean)
  const last = rows.at(-1)
  const lost = (row) => (row.step === 1 ? "" : rows[row.step - 2].count ? percent(1 - row.step_conversion) : "–")
  return [
    element(
      "p",
      { class: "outcome" },
      ...(rows[0].count
        ? [
            element("strong", {}, percent(last.conversion)),
            ` of ${count(rows[0].count)} ${by === "user" ? "users" : "visitors"} take all ${rows.length} steps within ${windowOf(window_seconds)}`,
            ends.length ? `, without ${ends.join(" or ")} on the way` : "",
          ]
        : [`Nobody took the first step in this period: ${wordsOf(steps[0])}`]),
    ),
    wide(
      table({
        caption: "Steps of the funnel",
        rows,
        bar: ({ conversion }) => conversion,
        columns: [
          { title: "Step", cell: ({ step }) => `${step}. ${wordsOf(steps[step - 1])}` },
          { title: by === "user" ? "Users" : "Visitors", isNumber: true, cell: (row) => count(row.count) },
          {
            title: "Of the first",
            isNumber: true,
            cell: ({ conversion }) => (rows[0].count ? percent(conversion) : "–"),
          },
          { title: "Lost before", isNumber: true, cell: lost },
          {
            title: "Median time",
            isNumber: true,
            hides: "narrow",
            cell: (row) => (row.median_seconds === null ? "" : duration(row.median_seconds)),
          },
        ],
      }),
    ),
  ]
}

// A row for each value, with how many reach each step.
function drawSplit(steps, { rows, next }, dimension, offset) {
  const values = rows.filter(({ step }) => step === 1)
  const step = (row, position) => rows[rows.indexOf(row) + position]
  const rate = (row) => step(row, steps.length - 1).conversion
  const best = Math.max(...values.map(rate), 0)
  const way = (words, to) => element("a", { class: "button", href: href({ offset: to || null }) }, words)
  return element(
    "section",
    { class: "card", id: "funnel-split" },
    element("header", {}, element("h2", {}, `By ${titleOf(dimension).toLowerCase()}`)),
    wide(
      table({
        caption: `The funnel by ${titleOf(dimension)}`,
        rows: values,
        bar: (row) => (best ? rate(row) / best : 0),
        columns: [
          { title: titleOf(dimension), cell: ({ value }) => named(dimension, value) },
          ...steps.map((text, position) => ({
            title: element(
              "span",
              { class: "path", title: wordsOf(text) },
              `${position + 1}.`,
              element("span", { class: "hides-narrow" }, ` ${wordsOf(text)}`),
            ),
            isNumber: true,
            cell: (row) => count(step(row, position).count),
          })),
          { title: "All steps", isNumber: true, cell: (row) => percent(rate(row)) },
        ],
      }),
    ),
    element(
      "footer",
      { class: "steps", hidden: !offset && next === null },
      offset ? way("Previous", Math.max(0, offset - VALUES)) : null,
      next === null ? null : way("Next", next),
    ),
  )
}
