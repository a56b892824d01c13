// Where the keyboard is, kept over a view that is drawn anew: its elements are others then, with the same words.

// The way to what has the focus by the keyboard, or null.
export function focused() {
  const held = document.activeElement
  if (!held || held === document.body || !held.matches(":focus-visible")) return null
  return { tag: held.localName, words: wordsOf(held), room: held.closest("[id]:not(#room)")?.id }
}

// Focuses what stands there now, where the focus was lost; what is gone, as a filter taken out, gives it to the title.
export function focusAgain(way, title) {
  if (!way || document.activeElement !== document.body) return
  const room = document.getElementById(way.room) || document
  const found = [room, ...room.querySelectorAll(way.tag)].find(
    (each) => each.localName === way.tag && wordsOf(each) === way.words,
  )
  const closed = found?.closest(".popover:not([open])")
  const target = (closed ? closed.querySelector("summary") : found) || title
  target.focus({ preventScroll: true })
}

const wordsOf = (made) => (made.matches("a, button, summary") ? made.textContent : made.getAttribute("aria-label"))
