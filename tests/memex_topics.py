"""What the files of the corpus are about, and questions that find them in other words.

A question says what a person remembers of a file. Invariant (tested): no word of it that carries meaning
stands in the file, its name or its title, also not with another ending; the exact words stand in no other.
"""

from __future__ import annotations

from typing import NamedTuple


class Topic(NamedTuple):
    """A file at `path` below the corpus, whose suffix says its form; a question in other words than its own,
    and a few of its own words that no other file has."""

    path: str
    title: str
    text: str
    question: str
    exact: str


TOPICS: tuple[Topic, ...] = (
    Topic(
        "office/policies/returns.pdf",
        "Giving money back",
        "Customers who send goods back within thirty days receive the full price on their card. After that "
        "only a voucher is possible. The shop manager signs every payment above two hundred euros.",
        "how we handle refunds",
        "voucher shop manager signs",
    ),
    Topic(
        "office/policies/leave.docx",
        "Days off",
        "Each employee has twenty-eight days a year away from work. Ask your team lead two weeks before; "
        "unused days expire at the end of March. Illness is reported by phone before nine.",
        "rules for taking a vacation",
        "unused days expire March",
    ),
    Topic(
        "office/policies/remote.md",
        "Working from home",
        "Up to three days a week may be spent at your own desk outside the building. Core hours are ten to "
        "three. The company pays for a chair and a screen, not for electricity.",
        "telecommuting guidelines",
        "core hours chair screen electricity",
    ),
    Topic(
        "office/policies/travel.docx",
        "Business trips",
        "Take the train where it needs less than five hours. Hotels up to 120 euros a night are paid; keep "
        "every receipt and hand them in within a month.",
        "flight or rail reimbursement of expenses",
        "hotels 120 euros receipt",
    ),
    Topic(
        "office/security/passphrases.txt",
        "Choosing a good login",
        "Use four random words rather than one clever one. Never write it on paper near the keyboard, and "
        "switch on the second factor wherever it is offered.",
        "how strong should my password be",
        "four random words clever second factor",
    ),
    Topic(
        "office/security/lost-laptop.md",
        "When a notebook is stolen",
        "Call the IT desk at once, day or night. They lock the account and wipe the "
        "disk from afar. Then file "
        "a report with the police; the insurance wants its number.",
        "someone took my computer what now",
        "wipe disk afar insurance police",
    ),
    Topic(
        "office/hiring/interviews.pdf",
        "Talking to applicants",
        "Two engineers ask about past projects, one about design. Nobody solves puzzles at a whiteboard. "
        "Write your verdict before you hear the others.",
        "recruiting candidates for a job",
        "puzzles whiteboard verdict",
    ),
    Topic(
        "office/hiring/first-week.docx",
        "The first week of a new colleague",
        "On Monday there is a desk, a badge and a buddy. By Friday she has changed one line of the product "
        "and seen it reach users.",
        "onboarding of staff who just joined",
        "badge buddy Friday",
    ),
    Topic(
        "office/finance/budget.xlsx",
        "Money planned for 2026",
        "salaries 840000; rent 96000; cloud servers 72000; marketing 55000; coffee 2400",
        "annual spending forecast",
        "coffee 2400",
    ),
    Topic(
        "office/finance/late-payers.md",
        "Reminders",
        "Fourteen days after the invoice falls due a friendly letter goes out, after thirty a firm one with "
        "a fee of five euros, after sixty a lawyer takes over.",
        "clients that owe us and do not settle their debts",
        "friendly letter firm fee lawyer",
    ),
    Topic(
        "office/finance/depreciation.xlsx",
        "Worth of machines over the years",
        "press 40000 ten years; van 28000 six years; laptops 18000 three years",
        "how fast does our equipment lose value",
        "press 40000 van 28000",
    ),
    Topic(
        "office/sales/pitch.pptx",
        "Why shops choose us",
        "Set up in one afternoon. No contract. Prices that fall as you grow. Support by people who answer.",
        "convincing slides for prospective buyers",
        "one afternoon no contract grow",
    ),
    Topic(
        "office/sales/churn.md",
        "Why subscribers leave",
        "Half of those who cancel never imported their data. A call in the second week keeps two of three.",
        "retaining customers who want to quit",
        "imported data call second week",
    ),
    Topic(
        "office/legal/privacy.html",
        "What we know about you",
        "We keep your address and orders for ten years because the tax office demands it. Everything else is "
        "erased when you close the account. You may ask for a copy at any time.",
        "GDPR personal information retention",
        "orders ten years tax office erased",
    ),
    Topic(
        "office/legal/nda.pdf",
        "Keeping silent about what we share",
        "Both sides promise not to tell third parties what they learn from each other, for five years after "
        "the talks end. What is public already is excepted.",
        "confidentiality agreement",
        "third parties talks excepted",
    ),
    Topic(
        "projects/alpha/outage.md",
        "What happened on 3 May",
        "At 02:10 the disk of the main database filled up with old logs. Orders failed for fifty minutes. "
        "Since then logs rotate daily and an alarm rings at eighty percent.",
        "postmortem of the downtime in spring",
        "rotate daily alarm eighty percent",
    ),
    Topic(
        "projects/alpha/retry.py",
        "Calling again",
        "def call_again(send, tries=5):\n    pause = 0.2\n    for _ in range(tries):\n        try:\n"
        "            return send()\n        except ConnectionError:\n            time.sleep(pause)\n"
        "            pause *= 2\n    raise ConnectionError('gave up')",
        "exponential backoff when the network fails",
        "call_again tries pause gave up",
    ),
    Topic(
        "projects/alpha/backup.sh",
        "Copies the data folder to another house every night",
        "rsync -a --delete /srv/data/ store@elsewhere:/vault/\nfind /vault -mtime +30 -delete",
        "script for disaster recovery",
        "rsync vault elsewhere mtime",
    ),
    Topic(
        "projects/alpha/search.rs",
        "Finds a value in a sorted slice by halving",
        "pub fn locate(items: &[u64], wanted: u64) -> Option<usize> {\n    let (mut "
        "low, mut high) = (0, items.len());\n"
        "    while low < high {\n        let middle = (low + high) / 2;\n        if items[middle] < wanted "
        "{ low = middle + 1 } else { high = middle }\n    }\n    (low < items.len() && items[low] == wanted)"
        ".then_some(low)\n}",
        "binary lookup algorithm",
        "locate wanted slice halving",
    ),
    Topic(
        "projects/alpha/colors.css",
        "Night mode of the pages",
        "@media (prefers-color-scheme: dark) { body { background: #101418; color: "
        "#dde; } a { color: #8bf; } }",
        "stylesheet for a black theme",
        "101418 8bf prefers",
    ),
    Topic(
        "projects/beta/heating.md",
        "Warm rooms with less gas",
        "The pump now follows the weather outside. Sixteen degrees at night, twenty by day. In January we "
        "burned a fifth less than the year before.",
        "saving energy on thermostat settings",
        "sixteen degrees pump fifth less",
    ),
    Topic(
        "projects/beta/sensor.c",
        "Reads how hot the boiler is, over two wires",
        "int boiler_celsius(int bus)\n{\n    unsigned char raw[2];\n    if (read(bus, raw, 2) != 2)\n"
        "        return -274;\n    return (raw[0] << 8 | raw[1]) / 128;\n}",
        "thermometer device driver for a furnace",
        "boiler_celsius raw 274",
    ),
    Topic(
        "projects/beta/plan.pptx",
        "Steps until autumn",
        "June: order the panels. July: build the frame on the roof. August: connect to the grid. September: "
        "the inspector comes.",
        "solar installation timeline",
        "frame roof inspector grid",
    ),
    Topic(
        "projects/beta/noise.docx",
        "Letter to the neighbours",
        "From Tuesday a drill will be loud in the yard, from eight until noon, for four days. We are sorry "
        "and bring cake.",
        "apologizing for construction racket",
        "drill yard noon cake",
    ),
    Topic(
        "projects/gamma/parser.py",
        "Reads sums like 2 + 3 * 4",
        "def value(tokens):\n    total = product(tokens)\n    while tokens and tokens[0] in '+-':\n"
        "        sign = tokens.pop(0)\n        total += product(tokens) if sign == "
        "'+' else -product(tokens)\n"
        "    return total",
        "evaluate arithmetic expression with precedence",
        "product tokens sign total",
    ),
    Topic(
        "projects/gamma/cache.go",
        "Keeps what was used last and throws the rest away",
        "type Shelf struct {\n\troom  int\n\torder *list.List\n\tat    map[string]*list.Element\n}\n\n"
        "func (s *Shelf) Put(key string) {\n\tif s.order.Len() >= s.room {\n\t\tdelete(s.at, "
        "s.order.Remove(s.order.Back()).(string))\n\t}\n}",
        "LRU eviction",
        "Shelf room order Back",
    ),
    Topic(
        "projects/gamma/schema.sql",
        "Tables of the shop",
        "CREATE TABLE parcel (id INTEGER PRIMARY KEY, sent DATE, weight_grams INTEGER, buyer INTEGER);\n"
        "CREATE TABLE buyer (id INTEGER PRIMARY KEY, street TEXT, town TEXT);",
        "database layout for shipping to customers",
        "parcel weight_grams buyer street town",
    ),
    Topic(
        "projects/gamma/release.md",
        "Before a new version goes out",
        "Run the whole suite on a clean machine, raise the number, write what "
        "changed, sign the archive, wait "
        "a day before telling anyone.",
        "deployment checklist",
        "sign archive raise number telling anyone",
    ),
    Topic(
        "home/recipes/bread.md",
        "Sourdough",
        "Mix 500 g flour, 350 g water, 100 g starter and 10 g salt. Fold every half hour, rest overnight in "
        "the fridge, 45 minutes at 230 degrees.",
        "baking a loaf",
        "starter fold overnight fridge flour",
    ),
    Topic(
        "home/recipes/soup.txt",
        "Pumpkin with ginger",
        "Roast the pieces first, then boil them with onion and ginger and blend until smooth. A spoon of "
        "cream at the end.",
        "warm vegetable starter dish for autumn dinner",
        "roast ginger blend spoon cream",
    ),
    Topic(
        "home/recipes/curry.pdf",
        "Chickpeas in coconut milk",
        "Fry cumin and turmeric, add tomatoes, chickpeas and coconut milk, simmer for twenty minutes. Serve "
        "on rice, with coriander.",
        "vegan Indian meal",
        "chickpeas cumin turmeric coriander",
    ),
    Topic(
        "home/health/back.md",
        "Exercises for the spine",
        "Lie down, lift the hips, hold for ten breaths. Then on all fours round and hollow slowly. Every "
        "morning, never when it hurts.",
        "physiotherapy against pain from sitting",
        "hips breaths all fours hollow",
    ),
    Topic(
        "home/health/sleep.epub",
        "Quiet nights",
        "No screens after ten, a cool dark room, the same hour every day. Coffee stays in your blood for "
        "eight hours.",
        "cure for insomnia",
        "cool dark blood eight hours",
    ),
    Topic(
        "home/garden/tomatoes.odt",
        "Red fruit on the balcony",
        "Sow in March on the window sill, plant out after the last frost. Pinch the side shoots, water the "
        "soil and never the leaves.",
        "growing vegetables in pots",
        "pinch side shoots leaves frost sill",
    ),
    Topic(
        "home/garden/bees.md",
        "The hive behind the shed",
        "Look in every nine days from April on, so that they do not swarm. In August the honey comes out "
        "and sugar water goes in.",
        "beekeeping insects calendar",
        "hive swarm honey shed",
    ),
    Topic(
        "home/house/mortgage.pdf",
        "What we still owe the bank",
        "240,000 euros at 1.9 percent until 2031. Each month 1,150 leave the account. Five percent of the "
        "sum may be paid ahead every December.",
        "loan interest rate on my property",
        "240,000 1,150 December ahead",
    ),
    Topic(
        "home/house/boiler.html",
        "When the water stays cold",
        "Look whether the small flame burns. If not, hold the red knob for ten "
        "seconds and turn it. If it goes "
        "out twice, ring the plumber.",
        "repair of a broken heater shower",
        "flame red knob plumber",
    ),
    Topic(
        "home/school/tom.docx",
        "Tom in the fourth class",
        "Good at sums, slow at reading. We agreed to read aloud for fifteen minutes each evening and to meet "
        "the teacher again in May.",
        "notes from parent conference about literacy difficulty of my son",
        "sums aloud fifteen evening",
    ),
    Topic(
        "home/music/chords.txt",
        "First songs",
        "G, C and D are enough for a hundred of them. Press close to the fret, keep "
        "the thumb behind the neck, "
        "change on the fourth beat.",
        "learning to play guitar",
        "fret thumb neck beat",
    ),
    Topic(
        "home/trips/japan.md",
        "Two weeks in Kyoto and Tokyo",
        "The rail pass pays off from three long rides. Book the temple lodging "
        "early. Shoes come off at every "
        "door; cash is wanted in small restaurants.",
        "holiday itinerary asia tips",
        "temple lodging shoes Kyoto",
    ),
    Topic(
        "science/whales.pdf",
        "Songs below the waves",
        "Humpbacks change their tune each season, and all males of an ocean follow. The sound carries for "
        "hundreds of kilometres.",
        "communication of marine mammals",
        "humpbacks tune males ocean",
    ),
    Topic(
        "science/quakes.md",
        "Why the ground shakes",
        "Plates drift a few centimetres a year and catch on each other. When the strain is too great they "
        "jump; that jump travels as a wave.",
        "seismology tectonics earthquakes explained",
        "plates strain drift jump",
    ),
    Topic(
        "science/stars.epub",
        "How suns die",
        "A small one swells, sheds its shell and cools as a white dwarf. A heavy one falls into itself and "
        "outshines its galaxy for a week.",
        "supernova astronomy stellar death",
        "dwarf shell outshines galaxy swells",
    ),
    Topic(
        "science/memory.ipynb",
        "What we forget",
        "After a day half of a list of syllables is gone, after a month four fifths. Each repetition makes "
        "the slope flatter.",
        "psychology of remembering, spaced learning curve",
        "syllables repetition slope flatter",
    ),
    Topic(
        "club/chess/openings.txt",
        "The first ten moves",
        "Put a pawn in the centre, bring knights before bishops, castle soon. Do "
        "not move the same piece twice.",
        "strategy at the beginning of a board game",
        "pawn knights bishops castle",
    ),
    Topic(
        "club/minutes/june.odt",
        "We met on 12 June",
        "Nine members came. The fee rises to thirty euros. Lena takes over the till from Paul. The summer "
        "party is on the lake.",
        "who became treasurer",
        "Lena till Paul lake",
    ),
)
