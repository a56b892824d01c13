// Shockmouse's browser agent: page views, clicks, forms, web vitals and errors of one page, sent to POST /v1/events.
//
// <script defer src="https://stats.example.com/agent.js" data-key="wk_…"></script>
//
// data-privacy      strict · balanced (default) · full        data-consent  given; else as strict until optIn()
// data-endpoint     where to send, if not the script's place  data-sample-rate  (0, 1], by device
// data-events       the place's name for events: v1/events
// data-autotrack    default: "pages clicks forms vitals errors outbound downloads scroll"; "hash" may be added
// data-gpc          drop: send nothing for a visitor with Global Privacy Control or Do Not Track (default: strict)
// data-join         the page's requests to its own origin carry the session, as Shockmouse-Session: 01;s=<id>;d=<device>
//
// stored before consent   nothing
// stored with consent     localStorage shockmouse.device, shockmouse.batch.<id> (not delivered yet, 256,000 characters
//                         at most); sessionStorage shockmouse.session
// stored on an answer     localStorage shockmouse.consent: yes or no; an address that ends with #shockmouse-ignore
//                         is the answer no, with #shockmouse-count none
//
// It never throws into the page, never calls preventDefault and never reads what a visitor typed.
(() => {
  "use strict"
  const script = document.currentScript || document.querySelector("script[data-key]")
  const stub = window.shockmouse
  if (!script || stub?.version) return
  const early = stub?.q || []
  const version = "0.1.0"
  const options = script.dataset
  const tracks = what => options.autotrack?.split(/\s+/).includes(what) ?? what !== "hash"
  const refused = navigator.globalPrivacyControl || navigator.doNotTrack === "1"
  const asked = options.privacy || "balanced"
  const wish = refused || !/^(balanced|full)$/i.test(asked) ? "strict" : asked.toLowerCase()
  const share = +options.sampleRate
  const rate = share > 0 && share < 1 ? share : 1
  // Beside the script, unless said otherwise. A server with a further name for the script writes a further one here.
  const endpoint = new URL(
    options.events || "v1/events",
    new URL(options.endpoint?.replace(/\/?$/, "/") || script.src, location)
  )
  endpoint.searchParams.set("key", options.key)
  const BODY_BYTES = 6e4 // browsers share 64 KiB among all requests that outlive a page

  const nothing = () => {}
  const safely = work => (...given) => {
    try {
      const result = work(...given)
      result?.catch?.(nothing)
      return result
    } catch {
      // Whatever went wrong in here, the page goes on.
    }
  }
  const listen = (names, work) =>
    names.split(" ").forEach(name => addEventListener(name, safely(work), true))
  const cutText = (text, most) => ("" + text).slice(0, most).replace(/[\ud800-\udbff]$/, "") // never half a character

  // --- who, and in which mode ---
  let clock = 0
  const uuid = () => {
    // Version 7: the time first, so that ids sort by it. crypto.randomUUID is missing on plain http.
    const now = "0" + (clock = Math.max(clock + 1, Date.now())).toString(16)
    const random = [...crypto.getRandomValues(new Uint8Array(18))]
    const digit = () => (random.pop() & 15).toString(16)
    return now.slice(0, 8) + "-" + now.slice(8) + "-7xxx-axxx-xxxxxxxxxxxx".replace(/x/g, digit)
  }
  // A blocked area throws where it is named.
  const read = safely((name, area = localStorage) => area.getItem("shockmouse." + name))
  const write = safely((name, value, area = localStorage) => area.setItem("shockmouse." + name, value))
  const erase = safely((name, area = localStorage) => area.removeItem("shockmouse." + name))
  const names = start => Object.keys(localStorage).filter(name => name.startsWith("shockmouse." + start))
  // What is stored and not as we store it is as good as absent.
  const stored = (name, form, area) => form.exec(read(name, area))?.[0]
  let answered = options.consent === "given" && "yes"
  const answer = () => (refused && options.gpc === "drop" ? "no" : stored("consent", /^(yes|no)$/) || answered)
  const kept = () => stored("device", /^[\w-]{36}$/)
  const device = () => kept() || (write("device", uuid()), kept())
  const mode = () => (answer() === "yes" && wish !== "strict" && device() ? wish : "strict")
  let visit
  const session = now => {
    const form = /^{"id":"[\w-]{36}","started":\d{13},"last":\d{13}}$/
    visit = safely(JSON.parse)(stored("session", form, sessionStorage)) || visit
    // Half an hour without an event, or a day in all.
    if (!visit || now - visit.last > 18e5 || now - visit.started > 864e5)
      visit = { id: uuid(), started: now }
    if (!(now - visit.last < 9e3)) {
      // Not at each event, as nothing else at a click takes as long; at first there is no last.
      visit.last = now
      write("session", JSON.stringify(visit), sessionStorage)
    }
    return visit
  }
  const encode = text => new TextEncoder().encode(text)
  const hash = text => {
    // FNV-1a with MurmurHash3's finaliser; for sampling the same in Python, on the server and here.
    let value = 0x811c9dc5
    for (const byte of encode(text)) value = Math.imul(value ^ byte, 0x01000193)
    value = Math.imul(value ^ (value >>> 16), 0x85ebca6b)
    value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35)
    return (value ^ (value >>> 16)) >>> 0
  }

  // --- the device: coarse facts in every mode, some more after consent, fine ones in `full` ---
  const { userAgentData: brand, language } = navigator
  const rounded = length => (mode() === "full" ? length : Math.round(length / 100) * 100)
  let finer
  const fingerprint = privacy => {
    const signals = {
      platform: brand?.platform || navigator.platform,
      touch: navigator.maxTouchPoints > 0,
      mobile: brand?.mobile,
      viewport: rounded(innerWidth) + "x" + rounded(innerHeight),
      pixel_ratio: devicePixelRatio,
      dark: matchMedia("(prefers-color-scheme:dark)").matches
    }
    if (privacy !== "strict")
      Object.assign(signals, {
        cores: navigator.hardwareConcurrency,
        memory: navigator.deviceMemory,
        color_depth: screen.colorDepth,
        gamut: ["rec2020", "p3", "srgb"].find(name => matchMedia("(color-gamut:" + name + ")").matches),
        hdr: matchMedia("(dynamic-range:high)").matches
      })
    if (privacy === "full") {
      // The last digit of a tangent tells one mathematical library from another.
      const { vendor } = navigator
      Object.assign(signals, { languages: "" + navigator.languages, vendor, math: Math.tan(-1e300) }, finer)
      if (!finer) {
        finer = {}
        brand?.getHighEntropyValues(["architecture", "model", "platformVersion", "uaFullVersion"]).then(values => {
          finer = { ...values, brands: undefined } // a list; signals are single values
          described = 0 // so that the next event tells them
        }, nothing)
      }
    }
    const text = options.key + JSON.stringify(signals)
    return { hash: hash(text).toString(16) + hash(text + 1).toString(16), signals }
  }
  const context = privacy => {
    const webdriver = navigator.webdriver || undefined
    if (privacy === "strict") return { webdriver, locale: language.split("-")[0] }
    return {
      webdriver,
      locale: language,
      timezone: Intl.DateTimeFormat().resolvedOptions().timeZone,
      screen: { width: rounded(screen.width), height: rounded(screen.height) }
    }
  }

  // --- events ---
  const boot = uuid()
  let seq = 0
  // Events as JSON, each with its mode and how many were lost before it: what comes later does not change them.
  let waiting = []
  let lost = {} // how many events, by reason
  const lose = (reason, body) => {
    const { events, dropped } = JSON.parse(body)
    dropped[reason] = (dropped[reason] || 0) + events.length
    for (const why in dropped) lost[why] = (lost[why] || 0) + dropped[why] // of others it was to tell
  }
  let timer, user, page, described
  const record = (type, name, properties, user_properties, seen = page) => {
    if (answer() === "no") return
    const now = Date.now()
    const privacy = mode()
    const known = privacy !== "strict" && session(now)
    const device_id = known ? device() : undefined
    if (known && rate < 1 && hash(device_id) >= rate * 2 ** 32) return // without an id the server makes one and decides
    const event = {
      event_id: uuid(), type, name: name && cutText(name, 255), timestamp: new Date(now), properties, user_id: user,
      device_id, session_id: known.id, session_started_at: known ? new Date(known.started) : undefined,
      privacy, sample_rate: rate, boot_id: boot, seq: seq++, context: { page: seen }, user_properties,
    }
    if (described !== privacy) event.fingerprint = fingerprint((described = privacy))
    waiting.push([JSON.stringify(event), JSON.stringify([privacy, lost])])
    lost = {}
    timer ??= setTimeout(safely(flush), 1000)
  }

  // --- delivery: a batch keeps its id and its events for ever; sent twice, it is stored once ---
  const held = new Map() // batches whose outcome is open, by id; with consent each also lies in localStorage
  const cut = limit => {
    timer = clearTimeout(timer)
    if (!waiting.length) return
    const batch_id = uuid()
    const [[first, scene]] = waiting // what happened in another mode is in another batch
    const [privacy, dropped] = JSON.parse(scene)
    const told = { batch_id, library: { name: "shockmouse-agent", version }, context: context(privacy), dropped }
    const head = JSON.stringify(told).slice(0, -1) + ',"events":['
    let count = 1
    for (let size = encode(head + first).length; waiting[count]?.[1] === scene; count++) {
      size += encode(waiting[count][0]).length + 1
      if (size > limit) break
    }
    const events = waiting.splice(0, count)
    return [batch_id, head + events.map(([text]) => text) + "]}", events]
  }
  const dated = body => '{"sent_at":"' + new Date().toJSON() + '",' + body.slice(1)
  const release = id => {
    held.delete(id)
    erase("batch." + id)
  }
  const gather = () => {
    if (mode() !== "strict")
      for (const name of names("batch.")) {
        const body = stored(name.slice(11), /^{"batch_id".*/s)
        if (body) held.set(name.slice(17), body)
      }
    return [...held].sort()
  }
  const hold = safely((id, body) => {
    held.set(id, body)
    if (mode() !== "strict") write("batch." + id, body)
    let size = 0
    for (const [id, body] of gather().reverse()) {
      if ((size += body.length) > 256e3) {
        release(id) // the oldest go first
        lose("queue_full", body)
      }
    }
  })
  let failures = 0
  let most = BODY_BYTES // less where something on the way refuses so much
  let retry
  const post = async (id, body, events) => {
    hold(id, body)
    const size = encode(body).length
    let status, pause
    try {
      const reply = await fetch(endpoint, {
        method: "POST",
        body: dated(body),
        keepalive: size <= BODY_BYTES,
        signal: AbortSignal.timeout?.(3e4)
      })
      status = reply.status
      pause = reply.headers.get("retry-after") * 1000
      await reply.text() // until then it counts for what may outlive the page
    } catch {
      // No network, or something in its way: the outcome is open.
    }
    if (status && !/40[1348]|29|5../.test(status)) {
      failures = 0
      release(id)
      if (status === 413) {
        most = Math.min(most, size / 2)
        // Only what was refused at once may be cut anew: an earlier attempt may have stored it.
        if (events?.[1]) waiting = events.concat(waiting)
        else lose("too_large", body)
      }
      return true
    }
    clearTimeout(retry)
    retry = setTimeout(drain, Math.min((pause || 0) + Math.random() * 500 * 2 ** ++failures, 3e5))
  }
  const resend = async () => {
    for (const [id, body] of gather()) if (answer() === "no" || !(await post(id, body))) return
  }
  // One tab at a time; a tab that waits finds the others' batches gone.
  const drain = safely(() => navigator.locks?.request("shockmouse", resend).catch(resend) ?? resend())
  const flush = async () => {
    for (let batch; (batch = cut(most)); ) failures ? hold(...batch) : await post(...batch)
  }
  // Each of the two has a budget of its own, and says at once when a body is too much for it.
  const hand = body =>
    safely(() => fetchLater(endpoint, { method: "POST", body, activateAfter: 0 }))() ||
    safely(() => navigator.sendBeacon(endpoint, body))()
  const leave = () => {
    // The page may be gone at once: the browser takes what is waiting, in halves if it must, or the next page does.
    const reached = navigator.onLine && (!failures || mode() === "strict")
    for (let limit = most; waiting.length; ) {
      const [id, body, events] = cut(limit)
      if (reached && hand(dated(body))) continue
      if (reached && (limit /= 2) > 500) waiting = events.concat(waiting)
      else {
        hold(id, body)
        if (reached) post(id, body, events).then(flush) // by fetch with keepalive, whose outcome may come too late
      }
    }
  }

  // --- pages ---
  const whole = Symbol() // the address as it is: JSON leaves this out
  const locate = again => {
    const { origin, pathname, search } = location
    const part = tracks("hash") ? location.hash.split("?")[0] : ""
    // Of a query, which may hold what was typed, only what names a campaign.
    const campaign = search.replace(/[?&](?!utm_)[^&]*/g, "").replace(/^&/, "?")
    return {
      url: origin + pathname + campaign + part,
      path: (pathname + part).replace(/\/?#\/?/, "/"),
      title: "" + document.title, // which may be a form of that name
      referrer: page && !again ? page.url : document.referrer.split("?")[0],
      [whole]: pathname + search + part
    }
  }
  const view = (part, again) => {
    const now = locate(again)
    if (page && !again && page[part] === now[part]) return (page[whole] = now[whole])
    if (page) engagement()
    for (const form of forms.keys()) if (!form.isConnected) formEnd(form, "abandon")
    page = now
    depth = 0
    scrolled()
    if (tracks("pages")) record("page", page.title)
  }
  const moved = part => () => setTimeout(safely(view), 0, part) // frameworks set the title just after the address
  const wrap = safely((object, name, then) => {
    const original = object[name]
    object[name] = function (...given) {
      const result = original.apply(this, given)
      safely(then)(this, ...given)
      return result
    }
  })

  // --- scroll depth, and time in which the page is visible and has the focus ---
  let depth = 0
  let engaged = 0
  let since = 0
  const scrolled = () => {
    const seen = ((scrollY + innerHeight) / document.documentElement.scrollHeight) * 100
    depth = Math.min(Math.max(depth, Math.round(seen)), 100)
  }
  const attention = () => {
    const now = performance.now()
    if (since) engaged += now - since
    since = !document.hidden && document.hasFocus() ? now : 0
  }
  const engagement = () => {
    attention()
    if (engaged < 100) return
    if (tracks("scroll"))
      record("performance", "engagement", { scroll_percent: depth, engaged_ms: Math.round(engaged) })
    engaged = 0
  }

  // --- clicks ---
  const NAMED = "a,button,summary,[role=button],[role=link]" // by their text
  const INTERACTIVE = NAMED + ",[role=tab],[role^=menuitem],[data-shockmouse-name],select,input,textarea"
  const DOWNLOAD = /\.(pdf|zip|t?gz|7z|rar|dmg|exe|msi|deb|apk|iso|csv|(xls|doc|ppt)x?|mp[34]|epub)$/i
  // The target first, then what it is in, through open shadow roots.
  const inner = event => event.composedPath().filter(node => node.nodeType === 1)
  const ignored = path => path.some(element => element.closest("[data-shockmouse-ignore]"))
  const describe = element => {
    const told = { tag: element.localName }
    for (const { name, value } of element.attributes) {
      const known =
        { id: "id", class: "classes", "aria-label": "label" }[name] || name.split("data-shockmouse-")[1]
      if (known) told[known] = cutText(value, 200)
    }
    // What a visitor types may lie deeper inside.
    const typed = ":read-write,textarea,select"
    if (element.matches(NAMED) && !element.matches(typed) && !element.querySelector(typed))
      told.text = cutText(element.textContent.replace(/\s+/g, " ").trim(), 80)
    return told
  }
  let recent = []
  let passed // the field of a label: the browser passes the click on to it, which is no second click
  const click = event => {
    const path = inner(event)
    const link = path.find(element => element.matches("a[href]"))
    if (!path[0] || path[0] === passed || event.button > (link ? 1 : 0)) return // the middle one opens links only
    const aim = path.find(element => element.control?.labels || element.matches(INTERACTIVE))
    passed = aim?.control
    setTimeout(() => (passed = 0)) // after it was passed on
    const target = !passed?.labels || aim.matches("[data-shockmouse-name]") ? aim : passed
    if (ignored(path.concat(target || []))) return
    const told = describe(target || path[0])
    if (/^https?:$/.test(link?.protocol)) {
      told.href = link.origin + link.pathname
      if (tracks("outbound") && link.host !== location.host) told.outbound = true
      if (tracks("downloads") && (link.hasAttribute("download") || DOWNLOAD.test(link.pathname))) told.download = true
    }
    const { timeStamp: at, x, y, detail } = event
    recent = recent.filter(one => at - one.at < 1000 && Math.hypot(x - one.x, y - one.y) <= 30)
    if (detail && recent.push({ at, x, y }) === 3) told.rage = true // 0 is the keyboard's
    if (tracks("clicks") ? target || told.rage : told.outbound || told.download)
      record("click", told.name || told.label || told.text || told.id || told.tag, told)
  }

  // --- forms: names and order of the fields, never a value ---
  const forms = new Map()
  // In type, autocomplete and name.
  const SECRET = /pass|pwd|^hidden|card|kart|cc[-_n]|cvc|cvv|secur|iban|ssn|secret|token|p[ai]n$|otp/i
  const touch = event => {
    const path = inner(event)
    const { form, name, id, type, autocomplete } = path[0]
    if (!form || ignored(path)) return
    if (!forms.has(form)) forms.set(form, { since: performance.now(), fields: [] })
    const { fields } = forms.get(form)
    const field = cutText(name || id, 80)
    if (field && !SECRET.test(type + autocomplete + field) && !fields.includes(field)) fields.push(field)
  }
  const formEnd = (form, outcome) => {
    const { since = 0, fields = [] } = forms.get(form) || {}
    forms.delete(form)
    if (ignored([form])) return
    // Not form.name and form.id, which may be fields of these names.
    const name = form.getAttribute("name") || form.getAttribute("id") || undefined
    const action = new URL(form.getAttribute("action") || "", location).pathname
    record("form", name || action, {
      form: name,
      action,
      fields,
      outcome,
      duration_ms: since && Math.round(performance.now() - since)
    })
  }

  // --- web vitals: final when the page is first hidden; again after each return from the back-forward cache ---
  const observers = []
  const observe = safely((type, work, settings) => {
    if (!PerformanceObserver.supportedEntryTypes.includes(type)) return
    const each = safely(entries => entries.forEach(work))
    const observer = new PerformanceObserver(list => each(list.getEntries()))
    observer.observe({ type, buffered: true, ...settings })
    observers.push(() => each(observer.takeRecords()))
  })
  const navigation = () => performance.getEntriesByType("navigation")[0]
  let vitals, born, restored, unseen, shift, slow, interactions, tasks, longest, landing
  const beginVitals = again => {
    const mine = (vitals = { TTFB: again ? 0 : undefined, CLS: 0 })
    restored = again
    born = again || navigation()?.activationStart || 0
    unseen = again || document.hidden // what is painted does not count
    shift = { sum: 0 }
    slow = new Map() // the ten longest interactions
    interactions = performance.interactionCount || 0
    tasks = longest = 0
    landing = page
    if (again)
      requestAnimationFrame(() => requestAnimationFrame(() => (mine.FCP = mine.LCP = performance.now() - born)))
  }
  const painted = name => ({ startTime }) => {
    if (!unseen) vitals[name] = Math.max(startTime - born, 0)
  }
  const watchVitals = () => {
    beginVitals(0)
    observe("paint", paint => paint.name === "first-contentful-paint" && painted("FCP")(paint))
    observe("largest-contentful-paint", painted("LCP"))
    observe("layout-shift", ({ startTime, value, hadRecentInput }) => {
      if (hadRecentInput || startTime < restored) return
      // A burst: less than a second between shifts, less than five in all.
      if (!(shift.sum && startTime - shift.last < 1000 && startTime - shift.first < 5000))
        shift = { sum: 0, first: startTime }
      shift.last = startTime
      vitals.CLS = Math.max(vitals.CLS, (shift.sum += value))
    })
    const interaction = ({ interactionId, startTime, duration }) => {
      if (!interactionId || startTime < restored) return
      slow.set(interactionId, Math.max(slow.get(interactionId) || 0, duration))
      const order = [...slow].sort((a, b) => b[1] - a[1])
      if (order.length > 10) slow.delete(order.pop()[0])
      const count = performance.interactionCount - interactions || slow.size
      vitals.INP = order[Math.min(order.length - 1, Math.floor(count / 50))][1]
    }
    observe("event", interaction, { durationThreshold: 40 })
    observe("first-input", interaction)
    observe("longtask", ({ duration }) => {
      tasks++
      longest = Math.max(longest, duration)
    })
  }
  const endVitals = () => {
    observers.forEach(take => take())
    const mine = vitals
    if (!mine) return
    vitals = undefined // what is observed from now on is nobody's
    if (!restored) mine.TTFB = Math.max(navigation()?.responseStart - born, 0)
    if (!mine.FCP) delete mine.CLS // as the Chrome report counts
    if (restored && performance.interactionCount > interactions) mine.INP ??= 8 // faster than is observed
    const tell = (name, value) => record("performance", name, value, undefined, landing)
    for (const name in mine) if (mine[name] >= 0) tell(name, { value: +mine[name].toFixed(4) })
    if (tasks) tell("longtask", { count: tasks, duration_ms: Math.round(longest) })
  }

  // --- requests to the page's own origin: where asked, they say whose they are ---
  const joint = address =>
    new URL(address, document.baseURI).origin === location.origin &&
    mode() !== "strict" &&
    visit &&
    "01;s=" + visit.id + ";d=" + device()
  const joined = safely((resource, settings) => {
    const value = !settings?.url && joint(resource.url || resource)
    if (!value) return
    const headers = new Headers(settings?.headers || resource.headers)
    headers.set("Shockmouse-Session", value)
    return { ...settings, headers }
  })
  const join = () => {
    const { fetch: fetched } = window
    window.fetch = (resource, settings) => fetched(resource, joined(resource, settings) || settings)
    wrap(XMLHttpRequest.prototype, "open", (request, method, address) => {
      const value = joint(address)
      if (value) request.setRequestHeader("Shockmouse-Session", value)
    })
  }

  // --- what the page calls ---
  const verbs = {
    track: (name, properties) => record("track", name, properties),
    page: (name, properties) => {
      page = locate()
      record("page", name || page.title, properties)
    },
    identify: (id, properties) => {
      user = id ? cutText(id, 256) : undefined // the server takes no "undefined" for an id
      record("identify", undefined, undefined, properties)
    },
    optIn: () => {
      answered = "yes"
      if (wish !== "strict") write("consent", answered)
      record("consent", "given", { analytics: true })
    },
    optOut: () => {
      record("consent", "withdrawn", { analytics: false })
      leave()
      answered = "no"
      held.clear()
      safely(() => names("").forEach(name => localStorage.removeItem(name)))()
      write("consent", answered)
      erase("session", sessionStorage)
    },
    flush: () => flush().then(drain),
  }
  const api = (window.shockmouse = { version })
  for (const name in verbs)
    api[name] = safely((...given) => (page ? verbs[name](...given) : early.push([name, ...given])))

  // --- the beginning ---
  const choose = () => {
    // The way for people who belong to the site to leave out their own visits, and to count them again. Where nothing
    // can be stored they stay counted, and are told so.
    const counted = { "#shockmouse-ignore": "no", "#shockmouse-count": "yes" }[location.hash]
    if (!counted) return
    counted === "no" ? write("consent", counted) : erase("consent")
    alert("Visits counted: " + (answer() === "no" ? "no" : "yes"))
  }
  const start = () => {
    choose()
    if (options.join !== undefined) join()
    view()
    early.forEach?.(safely(([name, ...given]) => api[name]?.(...given)))
    attention()
    wrap(history, "pushState", moved(whole))
    wrap(history, "replaceState", moved("path")) // another query only: the same page
    listen("popstate hashchange", moved(whole)) // without "hash" in data-autotrack the address stays the same
    listen("hashchange", choose)
    listen("focus blur", attention)
    listen("scroll", scrolled)
    listen("online", () => setTimeout(drain, Math.random() * 1000))
    listen("click auxclick", click)
    const gone = () => {
      endVitals()
      engagement()
      leave()
    }
    listen("visibilitychange", () => {
      attention()
      if (document.hidden) gone()
    })
    listen("pagehide", () => {
      for (const form of forms.keys()) formEnd(form, "abandon")
      gone()
    })
    listen("pageshow", ({ persisted, timeStamp }) => {
      if (!persisted) return
      view("", true)
      attention()
      if (tracks("vitals")) beginVitals(timeStamp)
    })
    if (tracks("vitals")) watchVitals()
    if (tracks("forms")) {
      listen("input change", touch)
      listen("submit", ({ target }) => formEnd(target, "submit"))
      // Without the event: sent by the page's own script. A form that was told of already is not in there.
      wrap(HTMLFormElement.prototype, "submit", form => forms.has(form) && formEnd(form, "submit"))
    }
    if (tracks("errors")) {
      const seen = new Set()
      const report = (message, file, line, column) => {
        const { size } = seen
        message = cutText(message, 500).replace(/".*"/, '""') // JSON.parse() cites what it was given
        if (size < 20 && seen.add(message + file + line).size > size)
          record("error", message, { message, file, line, column })
      }
      listen(
        "error", // without a message it is an image's
        ({ message, filename, lineno, colno }) => message && report(message, filename?.split("?")[0], lineno, colno)
      )
      listen("unhandledrejection", ({ reason }) => report(reason?.message || "unhandled rejection"))
    }
    drain()
  }
  const ready = () =>
    document.readyState === "loading" ? listen("DOMContentLoaded", start) : safely(start)()
  document.prerendering ? listen("prerenderingchange", ready) : ready()
})()
