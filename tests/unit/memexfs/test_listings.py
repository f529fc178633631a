"""What folders listed last."""

from __future__ import annotations

from nexus.memexfs.listings import Listing, Listings


class Counted:
    def __init__(self, names: int = 1, *, lasting: bool = False) -> None:
        self.asked, self._names, self._lasting = 0, names, lasting

    def __call__(self) -> Listing:
        self.asked += 1
        return Listing({b"%d" % n: b"" for n in range(self._names)}, lasting=self._lasting)


def test_asked_once_until_it_is_dropped() -> None:
    listings, make = Listings(), Counted()
    assert listings.get("a", make, 1000) is listings.get("a", make, None)
    assert make.asked == 1
    listings.drop()
    listings.get("a", make, None)
    listings.drop("b")
    listings.get("a", make, None)
    assert make.asked == 2
    listings.get("a", make, -1)  # any age is too old
    assert make.asked == 3


def test_an_answer_lasts_until_it_is_dropped_by_name() -> None:
    listings, make = Listings(), Counted(lasting=True)
    listings.get("a", make, None)
    listings.drop()
    listings.get("a", make, None)
    assert make.asked == 1
    listings.drop("a")
    listings.get("a", make, None)
    assert make.asked == 2


def test_what_was_begun_before_a_change_is_not_kept() -> None:
    listings = Listings()

    def changed_meanwhile() -> Listing:
        listings.drop()
        return Listing({b"old": b""})

    listings.get("a", changed_meanwhile, None)
    assert b"0" in listings.get("a", Counted(), None).names


def test_bounded_by_folders_and_by_names() -> None:
    listings, first = Listings(folders=3, names=100), Counted()
    listings.get("first", first, None)
    for n in range(3):
        listings.get(n, Counted(), None)
    listings.get("first", first, None)
    assert first.asked == 2
    listings.get("big", Counted(99), None)
    listings.get("first", first, None)
    assert first.asked == 2  # it was used last, the others went
    listings.get("bigger", Counted(101), None)
    listings.get("first", first, None)
    assert first.asked == 3
