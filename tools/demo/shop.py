"""What the demo's shop sells and tells: the pages of its web site and the titles that they have."""

from typing import NamedTuple


class Cheese(NamedTuple):
    """One cheese: the last part of its address, name, price in euros, colour of its paste and a sentence."""

    slug: str
    name: str
    price: int
    colour: str
    about: str


CHEESES = (
    Cheese("brie", "Brie de Meaux", 14, "#f6e7bd", "Soft, bloomy, best an hour after it has left the cellar."),
    Cheese("comte", "Comté, 24 months", 29, "#efc75e", "Hazelnut and broth, from a wheel as heavy as a child."),
    Cheese("stilton", "Blue Stilton", 24, "#e8e2c4", "Crumbly and salty. Bring a pear, and time."),
    Cheese("gouda", "Old Gouda", 19, "#e8a33d", "Caramel, crystals and a crunch that a mouse hears from afar."),
    Cheese("pecorino", "Pecorino Sardo", 22, "#f3dd9a", "Sheep, herbs and wind. Grates itself, nearly."),
    Cheese("chevre", "Chèvre in ash", 11, "#f4f1e4", "Young, lemony, and gone before the bread is."),
)
STORIES = {
    "affinage": "Six months in a cellar",
    "pairing": "What to drink with blue",
    "milk": "Where the milk comes from",
}
CHEESE_TITLES = {f"/cheese/{cheese.slug}": cheese.name for cheese in CHEESES}
STORY_TITLES = {f"/stories/{slug}": title for slug, title in STORIES.items()}
TITLES = {
    "/": "Mouse & Cheese",
    "/cheese": "All cheese",
    **CHEESE_TITLES,
    "/stories": "Stories",
    **STORY_TITLES,
    "/basket": "Your basket",
    "/checkout": "Checkout",
    "/thanks": "Thank you",
    "/contact": "Write to us",
}
CHECKOUT_FIELDS = ("name", "email", "street", "city", "country")
