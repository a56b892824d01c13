// Elements are made here and nowhere else: text becomes a text node, never markup; a link leads within the page or by
// http(s), and nowhere else; no attribute of ours is `style` or a handler, which the page's policy forbids.

const SVG = "http://www.w3.org/2000/svg"

// children: nodes, texts, or null for nothing; attributes that are null or false are left out
export function element(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children)
}

export function shape(name, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children)
}

function fill(made, { on = {}, ...attributes }, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue
    if (name === "value") made.value = value
    else made.setAttribute(name, value === true ? "" : value)
  }
  for (const [event, handle] of Object.entries(on)) made.addEventListener(event, handle)
  made.append(...children.flat().filter((child) => child !== null && child !== undefined))
  return made
}

// An address found in data: a link where it is http(s), else plain text.
export function outward(address, text = address) {
  if (!/^https?:\/\//i.test(address) || !URL.canParse(address)) return element("span", {}, text)
  return element("a", { href: address, rel: "noopener noreferrer", target: "_blank" }, text)
}

export function button(text, press, attributes = {}) {
  return element("button", { type: "button", ...attributes, on: { click: press } }, text)
}

export function replace(place, ...children) {
  place.replaceChildren(...children.flat().filter((child) => child !== null && child !== undefined))
}

// A share of a bar or cell, 0 to 1, as a custom property that the style sheet draws.
export function share(made, value) {
  made.style.setProperty("--share", `${Math.max(0, Math.min(1, value || 0)) * 100}%`)
  return made
}

// A box with a heading, as most views are made of.
export function section(title, attributes, ...children) {
  return element("section", attributes, element("h2", {}, title), ...children)
}

export function fact(term, description) {
  return element("div", {}, element("dt", {}, term), element("dd", {}, description))
}

// A table, or whatever explains a chart, behind a disclosure.
export function disclosure(summary, ...children) {
  return element("details", { class: "disclosure" }, element("summary", {}, summary), ...children)
}
