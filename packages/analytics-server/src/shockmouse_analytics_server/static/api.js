// Questions to this server. The cookie says who asks; `project` says which of the projects signed in to.

export class Refusal extends Error {
  constructor(status, code, reason) {
    super(reason)
    this.status = status
    this.code = code
  }
}

// A server of these common parameters: where to ask, and asking. parameters: [name, value] pairs.
export class Asking {
  constructor(common, { token, signal, project }) {
    this.common = common
    this.token = token
    this.signal = signal
    this.project = project
  }

  // The same without what narrows the events down.
  withoutFilters() {
    return new Asking(
      this.common.filter(([name]) => name !== "filter" && name !== "bots"),
      this,
    )
  }

  // The same of another period.
  during({ from, to }) {
    return new Asking(
      this.common.map(([name, value]) => [name, { from, to }[name] ?? value]),
      this,
    )
  }

  // The address of a question; a parameter given here stands in the place of a common one, `filter` beside it.
  address(path, parameters = {}) {
    const given = new URLSearchParams()
    for (const [name, value] of this.common) if (!(name in parameters) || name === "filter") given.append(name, value)
    for (const [name, value] of Object.entries(parameters))
      for (const each of [value ?? []].flat()) given.append(name, each)
    return `/api/v1/${path}?${given}`
  }

  ask(path, parameters) {
    return fetchJson(this.address(path, parameters), { signal: this.signal })
  }

  // The most frequent values of a dimension, to suggest them.
  async values(dimension, filter = null) {
    const { rows } = await this.ask("breakdown", { dimension, metrics: "events", limit: 50, filter })
    return rows.map(({ value }) => value).filter(Boolean)
  }

  // A question with a body; it needs the token, as everything that is posted does.
  post(path, body) {
    const headers = { "Content-Type": "application/json", "X-CSRF-Token": this.token }
    return fetchJson(this.address(path), { method: "POST", headers, body: JSON.stringify(body), signal: this.signal })
  }
}

// The answer as JSON. Raises Refusal, also where nothing came (status 0); a question that nobody waits for any more
// raises AbortError.
export async function fetchJson(address, options = {}) {
  let response
  try {
    response = await fetch(address, options)
  } catch (error) {
    if (error.name === "AbortError") throw error
    throw new Refusal(0, "unreachable", "The server does not answer. Is it running?")
  }
  const body = await response.json().catch(() => ({}))
  if (response.ok) return body
  throw new Refusal(response.status, body.error?.code, body.error?.reason || `The server answered ${response.status}.`)
}
