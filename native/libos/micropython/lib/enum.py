"""Enum, IntEnum, StrEnum, Flag, IntFlag, auto, unique, member aliases, `Color["RED"]`, `Color(1)`,
`_missing_`.

Lacks: metaclasses, boundaries of flags, verify.
"""


class auto:
    """What becomes a value when the class is made; `|` of two is computed then."""

    def __init__(self, parts=()):
        self._parts = parts
        self.value = None

    def __or__(self, other):
        return auto((self, other))

    __ror__ = __or__

    def _become(self, number):
        if self._parts:
            number = 0
            for part in self._parts:
                number |= part._become(None) if isinstance(part, auto) else part
        if self.value is None:
            self.value = number
        return self.value


def _is_descriptor(value):
    return (
        isinstance(value, type)
        or callable(value)
        or type(value).__name__
        in ("property", "staticmethod", "classmethod", "closure", "function", "generator")
    )


def _data_type(cls):
    for base in cls.__bases__:
        if base in (int, str, float, tuple, bytes):
            return base
        if base is not object and base is not Enum:
            found = _data_type(base)
            if found:
                return found
    return None


def _functional(cls, name, names=None, *, start=1, module=None, qualname=None, type=None):
    """Enum("Color", "RED GREEN"), or names in a sequence, or pairs, or a dict."""
    if names is None:
        return object.__new__(cls)
    if isinstance(names, str):
        names = names.replace(",", " ").split()
    members = {}
    for number, one in enumerate(names.items() if isinstance(names, dict) else names):
        if isinstance(one, str):
            members[one] = 1 << number if issubclass(cls, Flag) else start + number
        else:
            members[one[0]] = one[1]
    made = _type(name, (cls,), members)
    made.__init_subclass__()
    return made


_type = type


class Enum:
    def __new__(cls, *values, **named):
        return _functional(cls, *values, **named)

    @classmethod
    def __init_subclass__(cls, **options):
        for base in cls.__bases__:
            if getattr(base, "_member_map_", None):
                raise TypeError(f"<enum '{cls.__name__}'> cannot extend <enum '{base.__name__}'>")
        own = cls.__dict__
        data = _data_type(cls)
        if data and data in cls.__bases__:
            for name in ("__repr__", "__str__"):
                if name not in own:
                    setattr(cls, name, getattr(Enum, name))
        ignored = own.get("_ignore_", ())
        entries = [
            (name, value)
            for name, value in own.items()
            if not (name[:1] == "_" or name in ignored or _is_descriptor(value)) or isinstance(value, auto)
        ]
        cls._member_map_, cls._members_, cls.__members__ = {}, [], {}
        if not entries:
            return
        made = own.get("__new__") and cls.__new__
        last = []
        for name, value in entries:
            if isinstance(value, auto):
                following = None if value._parts else cls._generate_next_value_(name, 1, len(last), last[:])
                value = value._become(following)
            arguments = value if isinstance(value, tuple) else (value,)
            if made:
                member = made(cls, *arguments)
                if not hasattr(member, "_value_"):
                    member._value_ = value
            else:
                member = object.__new__(cls)
                if data:
                    super(cls, member).__init__(*arguments)
                    value = data(*arguments)
                member._value_ = value
            member._name_ = name
            last.append(member._value_)
            same = [one for one in cls._member_map_.values() if one._value_ == member._value_]
            if same:
                member = same[0]
            else:
                if "__init__" in own or not data and hasattr(member, "__init__"):
                    member.__init__(*arguments)
                if cls._counts_(member._value_):
                    cls._members_.append(member)
            cls._member_map_[name] = member
            setattr(cls, name, member)
        cls.__members__ = dict(cls._member_map_)
        cls.__new__ = staticmethod(_look_up)
        cls.__init__ = _nothing

    @classmethod
    def _counts_(cls, value):
        return True

    @classmethod
    def _missing_(cls, value):
        return None

    @staticmethod
    def _generate_next_value_(name, start, count, last_values):
        numbers = [value for value in last_values if isinstance(value, (int, float))]
        return max(numbers) + 1 if numbers else start

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


def _nothing(self, *values):
    pass


def _look_up(cls, *values):
    value = values[0] if len(values) == 1 else values
    for member in cls._member_map_.values():
        if value is member or member._value_ == value:
            return member
    found = cls._missing_(value)
    if found is None:
        raise ValueError(f"{value!r} is not a valid {cls.__qualname__}")
    if not isinstance(found, cls):
        raise TypeError(
            f"error in {cls.__name__}._missing_: returned {found!r} instead of None or a valid member"
        )
    return found


def _plain(value):
    return value._value_ if isinstance(value, Enum) else value


class IntEnum(int, Enum):
    def __str__(self):
        return str(self._value_)

    __repr__ = Enum.__repr__
    __lt__ = lambda self, other: self._value_ < _plain(other)
    __le__ = lambda self, other: self._value_ <= _plain(other)
    __gt__ = lambda self, other: self._value_ > _plain(other)
    __ge__ = lambda self, other: self._value_ >= _plain(other)
    __eq__ = lambda self, other: self._value_ == _plain(other)
    __hash__ = lambda self: hash(self._value_)
    __add__ = lambda self, other: self._value_ + _plain(other)
    __sub__ = lambda self, other: self._value_ - _plain(other)
    __mul__ = lambda self, other: self._value_ * _plain(other)
    __or__ = lambda self, other: self._value_ | _plain(other)
    __and__ = lambda self, other: self._value_ & _plain(other)
    __xor__ = lambda self, other: self._value_ ^ _plain(other)
    __radd__ = lambda self, other: other + self._value_
    __rsub__ = lambda self, other: other - self._value_
    __rmul__ = lambda self, other: other * self._value_
    __rtruediv__ = lambda self, other: other / self._value_
    __rfloordiv__ = lambda self, other: other // self._value_
    __rmod__ = lambda self, other: other % self._value_
    __rpow__ = lambda self, other: other**self._value_
    __rlshift__ = lambda self, other: other << self._value_
    __rrshift__ = lambda self, other: other >> self._value_
    __ror__ = lambda self, other: other | self._value_
    __rand__ = lambda self, other: other & self._value_
    __rxor__ = lambda self, other: other ^ self._value_


class StrEnum(str, Enum):
    def __str__(self):
        return self._value_

    __repr__ = Enum.__repr__

    @staticmethod
    def _generate_next_value_(name, start, count, last_values):
        return name.lower()


class Flag(Enum):
    @classmethod
    def _counts_(cls, value):
        return value > 0 and value & (value - 1) == 0

    @staticmethod
    def _generate_next_value_(name, start, count, last_values):
        highest = max([value for value in last_values if value > 0], default=0)
        power = 1
        while power <= highest:
            power <<= 1
        return power

    @classmethod
    def _missing_(cls, value):
        if not isinstance(value, int):
            raise ValueError(f"{value!r} is not a valid {cls.__qualname__}")
        every = 0
        for member in cls._member_map_.values():
            every |= member._value_
        keeps = issubclass(cls, IntFlag)
        if value < 0:
            value &= every
            for member in cls._member_map_.values():
                if member._value_ == value:
                    return member
        elif value & ~every and not keeps:
            width = max(value, every).bit_length()
            zeros = lambda n: "0b0 " + "".join([str(n >> at & 1) for at in range(width - 1, -1, -1)])
            raise ValueError(
                f"<flag {cls.__name__!r}> invalid value {value!r}\n    given {zeros(value)}\n  allowed {zeros(every)}"  # noqa: E501 - one line of words
            )
        member = object.__new__(cls)
        if keeps:
            super(cls, member).__init__(value)
        member._value_ = value
        names = [one._name_ for one in cls._members_ if one._value_ & value]
        if value & ~every:
            names.append(str(value & ~every))
        member._name_ = "|".join(names) if names else None
        return member

    def __repr__(self):
        name = type(self).__name__
        return (
            f"<{name}: {self._value_}>" if self._name_ is None else f"<{name}.{self._name_}: {self._value_}>"
        )

    def __str__(self):
        name = type(self).__name__
        return f"{name}({self._value_})" if self._name_ is None else f"{name}.{self._name_}"

    def __hash__(self):
        return hash(self._value_)

    def __eq__(self, other):
        return self is other or type(self) is type(other) and self._value_ == other._value_

    def __bool__(self):
        return self._value_ != 0

    def _flags(self):
        return [one for one in type(self)._members_ if one._value_ & self._value_]

    def __iter__(self):
        return iter(self._flags())

    def __len__(self):
        return len(self._flags())

    def __contains__(self, other):
        if not isinstance(other, type(self)):
            raise TypeError(
                f"unsupported operand type(s) for 'in': {type(other).__name__!r} and {type(self).__name__!r}"
            )
        return other._value_ & self._value_ == other._value_

    def _other(self, other):
        if isinstance(other, type(self)) or isinstance(self, IntFlag) and isinstance(other, int):
            return _plain(other)
        raise TypeError(f"unsupported operand type(s): {type(self).__name__!r} and {type(other).__name__!r}")

    def __or__(self, other):
        return type(self)(self._value_ | self._other(other))

    def __and__(self, other):
        return type(self)(self._value_ & self._other(other))

    def __xor__(self, other):
        return type(self)(self._value_ ^ self._other(other))

    def __invert__(self):
        return type(self)(~self._value_)


class IntFlag(int, Flag):
    def __str__(self):
        return str(self._value_)

    __repr__ = Flag.__repr__
    __bool__ = Flag.__bool__
    __or__ = __ror__ = Flag.__or__
    __and__ = __rand__ = Flag.__and__
    __xor__ = __rxor__ = Flag.__xor__
    __invert__ = Flag.__invert__
    __eq__ = lambda self, other: self._value_ == _plain(other)
    __hash__ = Flag.__hash__
    __contains__ = Flag.__contains__
    __iter__ = Flag.__iter__
    __len__ = Flag.__len__
    __add__ = lambda self, other: self._value_ + _plain(other)
    __radd__ = __add__


def unique(enumeration):
    twice = [
        (alias, member._name_) for alias, member in enumeration._member_map_.items() if alias != member._name_
    ]
    if twice:
        words = ", ".join([f"{alias} -> {name}" for alias, name in twice])
        raise ValueError(f"duplicate values found in <enum {enumeration.__name__!r}>: {words}")
    return enumeration
