// Numbers, durations, dates and names as people read them.

const LOCALE = "en-GB" // as the page's own words
const whole = new Intl.NumberFormat(LOCALE)
const short = new Intl.NumberFormat(LOCALE, { notation: "compact", maximumFractionDigits: 1 })
const decimal = new Intl.NumberFormat(LOCALE, { maximumFractionDigits: 2 })
const percentage = new Intl.NumberFormat(LOCALE, { style: "percent", maximumFractionDigits: 1 })
const regions = new Intl.DisplayNames(LOCALE, { type: "region", fallback: "code" })
const languages = new Intl.DisplayNames(LOCALE, { type: "language", fallback: "code" })

export const count = (value) => whole.format(value)
export const compact = (value) => (value < 10_000 ? whole.format(value) : short.format(value))
export const ratio = (value) => decimal.format(value)
export const percent = (value) => percentage.format(value)

export function duration(seconds) {
  const rounded = Math.round(seconds)
  if (seconds > 0 && seconds < 1) return `${Math.round(seconds * 1000)} ms`
  if (rounded < 60) return `${rounded} s`
  if (rounded < 3600) return `${Math.floor(rounded / 60)} min ${rounded % 60} s`
  if (rounded < 172_800) return `${Math.floor(rounded / 3600)} h ${Math.floor((rounded % 3600) / 60)} min`
  return `${Math.round(rounded / 86_400)} days`
}

export function bytes(size) {
  const unit = size < 1024 ? 0 : Math.min(3, Math.floor(Math.log2(size) / 10))
  return `${decimal.format(Math.round((size / 1024 ** unit) * 10) / 10)} ${["B", "KiB", "MiB", "GiB"][unit]}`
}

// The change from the period before: its words and whether it is up, down or same. Nothing before: no words.
export function change(now, before) {
  if (!before) return { words: now ? "new" : "", way: "same" }
  const grown = now / before - 1
  if (Math.abs(grown) < 0.0005) return { words: "no change", way: "same" }
  const size = Math.abs(grown) >= 9.995 ? `${ratio(Math.round(now / before))}×` : percent(Math.abs(grown))
  return { words: `${grown > 0 ? "▲" : "▼"} ${size}`, way: grown > 0 ? "up" : "down" }
}

// A moment of an answer (RFC 3339) by the project's clock.
export function moment(text, zone, options = { dateStyle: "medium", timeStyle: "short" }) {
  return text ? new Date(text).toLocaleString(LOCALE, { timeZone: zone, ...options }) : ""
}

export const clock = (text, zone) => moment(text, zone, { timeStyle: "medium" })

// A time of a clock without a zone, as 2026-11-22T10:00:00: what lies beyond the 19th character is cut.
export function wall(text, options) {
  return new Date(text.slice(0, 19) + "Z").toLocaleString(LOCALE, { timeZone: "UTC", ...options })
}

const NOTHING = { entry_referrer_host: "Direct", country: "Unknown", name: "Without a name" }
// A type of events as a label, one of them, several.
const TYPES = {
  page: ["Page", "page view", "page views"],
  screen: ["Screen", "screen view", "screen views"],
  track: ["Event", "event", "events"],
  click: ["Click", "click", "clicks"],
  form: ["Form", "form", "forms"],
  performance: ["Measurement", "measurement", "measurements"],
  error: ["Error", "error", "errors"],
  identify: ["Known user", "known user", "known users"],
  group: ["Group", "group", "groups"],
  alias: ["Joined ids", "pair of joined ids", "pairs of joined ids"],
  consent: ["Consent", "choice of consent", "choices of consent"],
}

// The words for a value of a dimension; the empty one is what an event does not have.
export function named(dimension, value) {
  if (value === "") return NOTHING[dimension] || "None"
  if (dimension === "country" && /^[A-Z]{2}$/.test(value)) return regions.of(value)
  if (dimension === "locale" && /^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$/.test(value)) return languages.of(value)
  if (dimension === "type") return TYPES[value]?.[0] ?? value
  if (dimension === "device_type") return value[0].toUpperCase() + value.slice(1)
  return String(value)
}

// 3 page views, 1 click.
export function several(type, number) {
  const [, one, many] = TYPES[type] || [type, type, type]
  return `${count(number)} ${number === 1 ? one : many}`
}
