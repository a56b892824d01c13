// The shop's own script: the basket, and the question for consent.
const banner = document.querySelector("#banner")
const answer = text => {
  document.cookie = `cookies=${text}; path=/; max-age=31536000; samesite=lax`
  banner.hidden = true
}
banner.hidden = document.cookie.includes("cookies=")
document.querySelector("#accept").onclick = () => answer("accepted")
document.querySelector("#refuse").onclick = () => answer("refused")

const add = document.querySelector("#add")
if (add)
  add.onclick = async () => {
    const reply = await fetch("/basket", { method: "POST", body: new URLSearchParams({ cheese: add.dataset.slug }) })
    const { pieces } = await reply.json()
    document.querySelector("#added").textContent = `In your basket: ${pieces}`
  }
