"""Enum, IntEnum, StrEnum, Flag, IntFlag, auto, unique. Lacks: custom metaclasses, _missing_ on flags, boundaries."""


class auto:
    def __init__(self):
        self.value = auto


def _is_descriptor(value):
    kind = type(value).__name__
    return callable(value) or kind in ("property", "staticmethod", "classmethod", "closure", "function")


class Enum:
    @classmethod
    def __init_subclass__(cls, **options):
        own = cls.__dict__
        inherited = getattr(cls, "_member_map_", {})
        if inherited:
            raise TypeError(f"<enum '{cls.__name__}'> cannot extend <enum '{type(list(inherited.values())[0]).__name__}'>")
        ignored = own.get("_ignore_", ())
        members, values = {}, []
        by_value = []
        for name, value in list(own.items()):
            if name[:1] == "_" or name in ignored or isinstance(value, type) or _is_descriptor(value):
                continue
            if isinstance(value, auto):
                value = cls._generate_next_value_(name, 1, len(values), values)
            values.append(value)
            same = [one for known, one in by_value if known == value and type(known) is type(value)]
            if same:
                members[name] = same[0]
                setattr(cls, name, same[0])
                continue
            member = cls._made(value)
            member._name_, member._value_ = name, value if not hasattr(member, "_value_") else member._value_
            if "__init__" in own:
                member.__init__(*(value if isinstance(value, tuple) else (value,)))
            by_value.append((member._value_, member))
            members[name] = member
            setattr(cls, name, member)
        cls._member_map_ = members
        cls._members_ = [one for _, one in by_value]
        cls.__members__ = dict(members)

    @classmethod
    def _made(cls, value):
        return object.__new__(cls)

    def __new__(cls, value, *more):
        if more:
            value = (value,) + more
        if isinstance(value, cls):
            return value
        for member in getattr(cls, "_members_", ()):
            if member._value_ == value:
                return member
        found = cls._missing_(value)
        if found is not None:
            return found
        raise ValueError(f"{value!r} is not a valid {cls.__qualname__}")

    @classmethod
    def _missing_(cls, value):
        return None

    @staticmethod
    def _generate_next_value_(name, start, count, last_values):
        for value in reversed(last_values):
            if isinstance(value, int):
                return value + 1
        return start

    @classmethod
    def __class_iter__(cls):
        return iter(cls._members_)

    @classmethod
    def __class_len__(cls):
        return len(cls._members_)

    @classmethod
    def __class_getitem__(cls, name):
        return cls._member_map_[name]

    @property
    def name(self):
        return self._name_

    @property
    def value(self):
        return self._value_

    def __repr__(self):
        return f"<{type(self).__name__}.{self._name_}: {self._value_!r}>"

    def __str__(self):
        return f"{type(self).__name__}.{self._name_}"

    def __hash__(self):
        return hash(self._name_)

    def __eq__(self, other):
        return self is other
