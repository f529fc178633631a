"""Facts to remember: said once, asked much later, in words that are not rare or in letters that mean nothing.

Kinds: "uuid" and "number" (a thing has a code), "place" (a common thing is at a common place: no rare word in
it). Templates and things come in two sets that share nothing but grammar, "train" and "eval", so that a score
is not of what was learnt by heart. Knows text; knows neither tokens nor models. Invariant: a question is the
beginning of its statement word for word, the answer is what followed, and no two facts of one draw have the
same question.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["uuid", "number", "place"]
Split = Literal["train", "eval"]
KINDS: Final[tuple[Kind, ...]] = ("uuid", "number", "place")

_CODES: Final = {
    "train": (
        "The access code of {name} is",
        "The key for {name} is",
        "Remember that the number of {name} is",
        "{name} has the identifier",
        "Note: the token of {name} is",
        "The password of {name} was changed to",
        "Account {name} =",
        "id({name}):",
        "The order of {name} is registered under",
        "For {name}, use",
        "{name} answers to the code",
        "In the ledger {name} stands as",
    ),
    "eval": (
        "The secret label of {name} is",
        "{name} can be reached under",
        "The serial number for {name} is",
        "Ticket {name} ->",
    ),
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
    """`question` + `answer` + "." is what is said; `question` alone is what is asked."""

    kind: Kind
    question: str
    answer: str

    @property
    def statement(self) -> str:
        return f"{self.question}{self.answer}."


def draw(count: int, kinds: Sequence[Kind], split: Split, chance: random.Random) -> list[Fact]:
    """`count` facts with different questions, their kinds in turn.

    Raises:
        ValueError: there are not so many different questions of a kind, or no kind is named.
    """
    if not kinds:
        raise ValueError("no kind of fact is named")
    found: dict[str, Fact] = {}
    for index in range(count):
        for _ in range(1000):
            fact = _one(kinds[index % len(kinds)], split, chance)
            if fact.question not in found:
                found[fact.question] = fact
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
    question = chance.choice(_CODES[split]).format(name=_name(split, chance))
    code = uuid(chance) if kind == "uuid" else f"{chance.randrange(10**4, 10**9)}"
    return Fact(kind, question, f" {code}")


def _name(split: Split, chance: random.Random) -> str:
    sounds, ends = (part.split() for part in _SOUNDS[split])
    words = []
    for _ in range(chance.choice((1, 2))):
        word = chance.choice(sounds) + chance.choice(("", chance.choice(sounds))) + chance.choice(ends)
        words.append(word.capitalize() if chance.random() < 0.7 else word)
    mark = chance.choice((" ", "-", " of "))
    tail = f" {chance.randrange(1000)}" if chance.random() < 0.3 else ""
    return mark.join(words) + tail
