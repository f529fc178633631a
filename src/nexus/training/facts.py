"""Facts to remember: said once, asked much later, in words that are not rare or in letters that mean nothing.

Kinds: "uuid" and "number" (a thing has a code), "place" (a common thing is at a common place: no rare word in
it), which are asked by the beginning of their statement; "inquiry" (a code, asked in other words than it was
said in) and "moved" (where somebody went last, as in bAbI's first task). Templates and things come in two
sets that share nothing but grammar, "train" and "eval", so that a score is not of what was learnt by heart.
Knows text; knows neither tokens nor models. Invariant: the answer is in the statement word for word, and no
two facts of one draw have the same question.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["uuid", "number", "place", "inquiry", "moved"]
Split = Literal["train", "eval"]
KINDS: Final[tuple[Kind, ...]] = ("uuid", "number", "place", "inquiry", "moved")

_CODES: Final = {
    "train": (
        "The {noun} of {name} is",
        "The {noun} for {name} is",
        "Remember that the {noun} of {name} is",
        "{name} has the {noun}",
        "Note: {name}, {noun}",
        "The {noun} of {name} was changed to",
        "{noun} {name} =",
        "{noun}({name}):",
        "{name} is registered under the {noun}",
        "For {name}, use the {noun}",
        "{name} answers to the {noun}",
        "In the ledger {name} stands with the {noun}",
        "- {name}: {noun}",
        "They gave {name} the {noun}",
        "The old {noun} of {name} was",
        "The new {noun} for {name} is",
        "The private {noun} that belongs to {name} is",
        "My first {noun} for {name} was",
        "Our spare {noun} of {name}:",
        "{name}, whose {noun} is",
        "{name}'s {noun}:",
        "{name} goes by",
        "{name} was filed under",
        "{name} is found at",
        "{name} is stored as",
        "{name} signed with",
        "Booked for {name} as",
        "Write to {name} at",
        "Look for {name} near",
        "Parcel {name} =>",
        "Invoice {name} no.",
        "Device {name} #",
        "Batch {name}:",
        "[{name}]",
        "{name} |",
        "{name} =",
        "{name} ({noun}",
        "The seal on {name} reads",
        "The digest of {name}:",
        "A fingerprint of {name} is",
        "Badge of {name}:",
        "We call {name} by the {noun}",
        "For {name} the session was",
        "Commit {name} at",
    ),
    "eval": (
        "The secret label of {name} is",
        "{name} can be reached under",
        "The serial mark for {name} is",
        "Ticket {name} ->",
    ),
}
_NOUNS: Final = """code key number token password identifier order account address reference record licence
    file entry name signature""".split()
_INQUIRIES: Final = {
    "train": (
        "What is the {noun} of {name}? It is",
        "What {noun} has {name}?",
        "Which {noun} does {name} have?",
        "Question: the {noun} of {name}? Answer:",
        "Tell me the {noun} of {name}:",
        "Somebody asked for {name}, and the answer was",
        "Do you remember {name}? The {noun} was",
        "I need the {noun} of {name}. Here it is:",
        "And {name}? That was",
        "{name}?",
        "Who knows the {noun} of {name}? I do:",
        "Find {name}. Found:",
        "Q: {name} A:",
        "Remind me of {name}:",
    ),
    "eval": ("What was noted for {name}? It was", "Please look up {name}. Result:"),
}
_WENT: Final = {
    "train": (
        "went to",
        "moved to",
        "walked to",
        "ran to",
        "came to",
        "is now in",
        "returned to",
        "sat down in",
        "hurried to",
    ),
    "eval": ("journeyed to", "went back to"),
}
_WHERE_IS: Final = {
    "train": ("Where did {who} go?", "Where is {who} now?", "Question: where is {who}? Answer:", "{who}?"),
    "eval": ("Where is {who}?",),
}
_PEOPLE: Final = {
    "train": """Anna Peter Paul Emma Oliver Henry Lucy Alice George James Sarah Thomas William Robert Martha
        Rose Edward Jane Ruth Simon Clara Frank Grace Hugo Laura Victor Helen Martin Nora Oscar Julia Philip
        Agnes Bruno Edith Felix Ida Jacob Karl Lena""".split(),
    "eval": "Mary John Sandra Daniel Jeff Fred Bill Julie Kate Lily Greg Winona Antoine Jason".split(),
}
_ROOMS: Final = {
    "train": """house garden church river school shop stable tower cellar harbour mill castle camp hotel
        library hall forest lake yard market station tent barn""".split(),
    "eval": "bathroom kitchen hallway bedroom office cinema park".split(),
}
_PLACES: Final = {
    "train": (
        "The {thing} is {where}",
        "She put the {thing} {where}",
        "He left the {thing} {where}",
        "They found the {thing} {where}",
        "My {thing} was kept {where}",
        "We hid the {thing} {where}",
        "The old {thing} lay {where}",
        "You will find the {thing} {where}",
    ),
    "eval": ("I saw the {thing} {where}", "The little {thing} was {where}"),
}
_THINGS: Final = {
    "train": """dog horse cat book letter knife hat coat bag coin lamp rope boat chair clock glass shoe stick
        bell box ball paper stone flower bottle candle basket blanket brush bucket button cake card cart chain
        cheese cloth cup curtain dish door dress drum egg fan feather fish flag fork fruit gate glove
        hammer handle hook jar jug kettle kite ladder leaf lock map mask mirror nail needle net oar oven pan
        pen pencil picture pie pillow pin pipe plant plate plough pot purse rod rug saddle sail saw scarf
        seed sheet shell shirt sock spoon spring stamp stool stove string table tent thread tool toy tray
        watch wheel whip whistle wire wool""".split(),
    "eval": """sword ring key crown shield cloak harp apple barrel bone bow broom carpet drawer helmet
        ribbon sack trunk umbrella violin wallet wand axe anchor""".split(),
}
_WHERE: Final = {
    "train": ["under", "behind", "near", "above", "beside", "inside", "on", "by"],
    "eval": ["under", "behind", "near", "beside"],
}
_SPOTS: Final = {
    "train": """house garden church river school kitchen window door tree road wall hill field market station
        shop stable tower well fire stairs bed cellar harbour mill castle camp hotel library hall roof forest
        lake shore fence yard""".split(),
    "eval": "bridge gate farm inn barn valley palace prison theatre island cave chapel".split(),
}
_SOUNDS: Final = {
    "train": (
        "bak del fir gom hul jas kem lor mip nar pos quin ral sut tev vog wex yam zid cor",
        "a o en ix um",
    ),
    "eval": ("bre cla dro fle gri plo stra tru vla zho", "ath eld ir oon us"),
}


@dataclass(frozen=True)
class Fact:
    """What is asked and what is to be answered.

    statement: what is said, once; by default question, answer and full stop. earlier: what is said before it
    and is no longer true then. about: what no other fact of a draw is about; by default the question.
    """

    kind: Kind
    question: str
    answer: str
    statement: str = ""
    earlier: tuple[str, ...] = ()
    about: str = ""

    def __post_init__(self) -> None:
        if not self.statement:
            object.__setattr__(self, "statement", f"{self.question}{self.answer}.")
        object.__setattr__(self, "about", self.about or self.question)

    @property
    def begins(self) -> bool:
        """Whether the question is the beginning of the statement."""
        return self.statement.startswith(self.question)


def draw(count: int, kinds: Sequence[Kind], split: Split, chance: random.Random) -> list[Fact]:
    """`count` facts, their kinds in turn; no two have the same question or are of the same person.

    Raises:
        ValueError: there are not so many different questions of a kind, or no kind is named.
    """
    if not kinds:
        raise ValueError("no kind of fact is named")
    found: dict[str, Fact] = {}
    for index in range(count):
        for _ in range(1000):
            fact = _one(kinds[index % len(kinds)], split, chance)
            if fact.about not in found:
                found[fact.about] = fact
                break
        else:
            kind = kinds[index % len(kinds)]
            raise ValueError(f"{count} facts of kind {kind} of {split} cannot all have different questions")
    return list(found.values())


def uuid(chance: random.Random) -> str:
    """36 characters that mean nothing."""
    digits = f"{chance.getrandbits(128):032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _one(kind: Kind, split: Split, chance: random.Random) -> Fact:
    if kind == "place":
        frame, thing = chance.choice(_PLACES[split]), chance.choice(_THINGS[split])
        where = f" {chance.choice(_WHERE[split])} the {chance.choice(_SPOTS[split])}"
        return Fact(kind, frame.format(thing=thing, where="").rstrip(), where)
    if kind == "moved":
        who, rooms = chance.choice(_PEOPLE[split]), chance.choices(_ROOMS[split], k=chance.randint(1, 3))
        said = [f"{who} {chance.choice(_WENT[split])} the {room}." for room in rooms]
        question = chance.choice(_WHERE_IS[split]).format(who=who)
        return Fact(kind, question, f" {rooms[-1]}", said[-1], tuple(said[:-1]), about=who)
    name, noun = _name(split, chance), chance.choice(_NOUNS)
    statement = chance.choice(_CODES[split]).format(name=name, noun=noun)
    long = kind == "uuid" or (kind == "inquiry" and chance.random() < 0.5)
    code = uuid(chance) if long else f"{chance.randrange(10**4, 10**9)}"
    if kind == "inquiry":
        question = chance.choice(_INQUIRIES[split]).format(name=name, noun=noun)
        return Fact(kind, question, f" {code}", f"{statement} {code}.")
    return Fact(kind, statement, f" {code}")


def _name(split: Split, chance: random.Random) -> str:
    sounds, ends = (part.split() for part in _SOUNDS[split])
    words = []
    for _ in range(chance.choice((1, 2))):
        word = chance.choice(sounds) + chance.choice(("", chance.choice(sounds))) + chance.choice(ends)
        words.append(word.capitalize() if chance.random() < 0.7 else word)
    mark = chance.choice((" ", "-", " of "))
    tail = f" {chance.randrange(1000)}" if chance.random() < 0.3 else ""
    return mark.join(words) + tail
