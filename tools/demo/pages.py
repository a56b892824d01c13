"""The HTML of the demo's shop. Its style is shop.css; the script that counts is added by the middleware."""

import html

from shop import CHEESES, STORIES, TITLES, Cheese

BANNER = """<aside id="banner" hidden><p>May the mouse remember you with a cookie? It counts visits either way, without
your name.</p><button id="accept">Yes, remember me</button>
<button id="refuse" class="quiet">No, thanks</button></aside>"""
CONTACT = """<form name="contact" method="post" action="/contact" class="sheet">
<label>E-mail<input name="email" type="email" autocomplete="email" required></label>
<label>Your question<textarea name="question" rows="4"></textarea></label><button>Send</button></form>"""
CHECKOUT = """<form name="checkout" method="post" action="/order" class="sheet">
<label>Name<input name="name" autocomplete="name" required></label>
<label>E-mail<input name="email" type="email" autocomplete="email" required></label>
<label>Street<input name="street" autocomplete="street-address"></label><label>City<input name="city"></label>
<label>Country<select name="country"><option>France<option>Germany<option>Netherlands<option>Elsewhere</select></label>
<label>Card number<input name="card" autocomplete="cc-number" placeholder="never counted, not even its name"></label>
<button>Order with costs</button></form>"""
CELLAR = (
    "A wheel is turned twice a week, brushed with salt, and listened to: a good one sounds like a full barrel.",
    "What the cellar gives is patience. The cheese does the rest, and the mouse looks in at night.",
    "Nobody has ever been able to hurry it. Some have tried, with fans; the fans are still in the cellar.",
)


def page(path: str, body: str) -> str:
    """Return a whole page with this body."""
    links = (("/cheese", "Cheese"), ("/stories", "Stories"), ("/contact", "Contact"), ("/basket", "Basket"))
    items = "".join(
        f'<a href="{link}"{" aria-current=page" if path.startswith(link) else ""}>{name}</a>' for link, name in links
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(TITLES[path])}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<link rel="stylesheet" href="/shop.css"><script defer src="/shop.js"></script></head><body>'
        f'<header><a href="/" class="brand">{wedge("#f2b632")}Mouse &amp; Cheese</a><nav>{items}</nav></header>'
        f"<main>{body}</main>"
        "<footer><p>A shop that sells nothing: it shows what Shockmouse Analytics counts.</p>"
        '<p><a href="/guide.csv" download>The cheese guide</a> · '
        '<a href="https://en.wikipedia.org/wiki/Cheese">More on cheese</a></p></footer>' + BANNER + "</body></html>"
    )


def wedge(colour: str) -> str:
    """Return a drawing of a piece of cheese."""
    return (
        '<svg viewBox="0 0 120 90" aria-hidden="true"><path d="M6 50 92 12q22 6 22 34v4z" fill="#fff8e1"/>'
        f'<path d="M6 50h108v32H6z" fill="{colour}"/>'
        f'<path d="M6 50 92 12q22 6 22 34v4z" fill="{colour}" opacity=".55"/>'
        '<g fill="#000" opacity=".13"><circle cx="34" cy="66" r="7"/><circle cx="66" cy="73" r="5"/>'
        '<circle cx="90" cy="62" r="8"/><circle cx="80" cy="34" r="5"/></g></svg>'
    )


def card(cheese: Cheese) -> str:
    return (
        f'<a class="card" href="/cheese/{cheese.slug}">{wedge(cheese.colour)}'
        f"<strong>{html.escape(cheese.name)}</strong><span>{cheese.price} € a piece</span></a>"
    )


def home() -> str:
    cards = "".join(card(cheese) for cheese in CHEESES[:3])
    return page(
        "/",
        '<section class="hero"><h1>Found by a mouse.<br>Sold by people.</h1>'
        "<p>Six kinds of cheese, three stories, and no newsletter.</p>"
        '<a class="button" href="/cheese" data-shockmouse-name="Hero: see all cheese">See all cheese</a></section>'
        f'<h2>This week</h2><div class="grid">{cards}</div>',
    )


def shelf() -> str:
    return page("/cheese", '<h1>All cheese</h1><div class="grid">' + "".join(map(card, CHEESES)) + "</div>")


def product(cheese: Cheese) -> str:
    return page(
        f"/cheese/{cheese.slug}",
        f'<article class="product">{wedge(cheese.colour)}<div><h1>{html.escape(cheese.name)}</h1>'
        f'<p>{cheese.about}</p><p class="price">{cheese.price} €</p>'
        f'<button id="add" data-slug="{cheese.slug}" data-shockmouse-name="Add to basket">Add to basket</button>'
        '<p id="added" role="status"></p><p><a href="/basket">To the basket</a> · <a href="/cheese">More cheese</a></p>'
        "</div></article>",
    )


def stories() -> str:
    items = "".join(f'<li><a href="/stories/{slug}">{title}</a></li>' for slug, title in STORIES.items())
    return page("/stories", f'<h1>Stories</h1><ul class="list">{items}</ul>')


def story(slug: str) -> str:
    text = "".join(f"<p>{sentence}</p>" for sentence in CELLAR * 4)
    return page(
        f"/stories/{slug}",
        f'<article class="text"><h1>{STORIES[slug]}</h1>{text}<a href="/cheese">To the shelf</a></article>',
    )


def basket(pieces: int) -> str:
    told = f"{pieces} piece{'s' if pieces != 1 else ''} of cheese" if pieces else "Nothing yet. The mouse is patient."
    return page("/basket", f'<h1>Your basket</h1><p>{told}</p><a class="button" href="/checkout">To the checkout</a>')


def checkout() -> str:
    return page(
        "/checkout", f"<h1>Checkout</h1><p>Nothing will be sent, and nothing you type is counted.</p>{CHECKOUT}"
    )


def contact() -> str:
    return page("/contact", f"<h1>Write to us</h1>{CONTACT}")


def thanks() -> str:
    return page("/thanks", '<h1>Thank you</h1><p>The mouse has noted it.</p><a href="/cheese">Back to the shelf</a>')
