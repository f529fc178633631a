"""reader, writer, DictReader, DictWriter, Sniffer-less; dialects excel, excel-tab and unix, and their
options.
"""

QUOTE_MINIMAL, QUOTE_ALL, QUOTE_NONNUMERIC, QUOTE_NONE = range(4)


class Error(Exception):
    pass


class Dialect:
    delimiter, quotechar, escapechar, doublequote = ",", '"', None, True
    skipinitialspace, lineterminator, quoting, strict = False, "\r\n", QUOTE_MINIMAL, False


class excel(Dialect):
    pass


class excel_tab(Dialect):
    delimiter = "\t"


class unix_dialect(Dialect):
    lineterminator, quoting = "\n", QUOTE_ALL


_dialects = {"excel": excel, "excel-tab": excel_tab, "unix": unix_dialect}
_OPTIONS = "delimiter quotechar escapechar doublequote skipinitialspace lineterminator quoting strict".split()


def register_dialect(name, dialect=excel, **options):
    _dialects[name] = _options(dialect, options)


def get_dialect(name):
    if name not in _dialects:
        raise Error("unknown dialect")
    return _dialects[name]


def list_dialects():
    return list(_dialects)


def _options(dialect, changes):
    base = get_dialect(dialect) if isinstance(dialect, str) else dialect
    made = Dialect()
    for name in _OPTIONS:
        setattr(made, name, changes.pop(name) if name in changes else getattr(base, name))
    if changes:
        raise TypeError(f"'{list(changes)[0]}' is an invalid keyword argument for this function")  # noqa: RUF015
    if not isinstance(made.delimiter, str) or len(made.delimiter) != 1:
        raise TypeError('"delimiter" must be a 1-character string')
    return made


class reader:
    def __init__(self, csvfile, dialect="excel", **options):
        self.dialect = _options(dialect, options)
        self._lines = iter(csvfile)
        self.line_num = 0

    def __iter__(self):
        return self

    def __next__(self):
        d = self.dialect
        fields, field, quoted, inside, started = [], [], False, False, False
        while True:
            try:
                line = next(self._lines)
            except StopIteration:
                if inside and started:
                    if d.strict:
                        raise Error("unexpected end of data")
                    fields.append(self._value("".join(field), quoted))
                    return fields
                raise
            if isinstance(line, bytes):
                raise Error(
                    "iterator should return strings, not bytes (the file should be opened in text mode)"
                )
            self.line_num += 1
            at, size = 0, len(line)
            while at < size:
                c = line[at]
                at += 1
                if inside:
                    if c == d.escapechar and at < size:
                        field.append(line[at])
                        at += 1
                    elif c == d.quotechar:
                        if d.doublequote and at < size and line[at] == c:
                            field.append(c)
                            at += 1
                        else:
                            inside = False
                    else:
                        end = at
                        while end < size and line[end] != d.quotechar and line[end] != d.escapechar:
                            end += 1
                        field.append(line[at - 1 : end])
                        at = end
                elif c == d.delimiter:
                    fields.append(self._value("".join(field), quoted))
                    field, quoted, started = [], False, True
                elif c in "\r\n":
                    if line[at:].strip("\r\n"):
                        raise Error(
                            "new-line character seen in unquoted field - do you need to open the file with newline=''?"  # noqa: E501 - one line of words
                        )
                    at = size
                    if not started and not field and not quoted:
                        return []
                elif c == d.quotechar and d.quoting != QUOTE_NONE and not field and not quoted:
                    inside = quoted = started = True
                elif c == d.escapechar and at < size:
                    field.append(line[at])
                    at += 1
                    started = True
                elif c == " " and d.skipinitialspace and not field and not quoted:
                    started = True
                elif quoted and d.strict:
                    raise Error(f"'{d.delimiter}' expected after '{d.quotechar}'")
                else:
                    end = at
                    while end < size and line[end] not in (
                        d.delimiter,
                        "\r",
                        "\n",
                        d.quotechar,
                        d.escapechar,
                    ):
                        end += 1
                    field.append(line[at - 1 : end])
                    at, started = end, True
            if inside:
                continue
            if not started and not field:
                return []
            fields.append(self._value("".join(field), quoted))
            return fields

    def _value(self, text, quoted):
        return float(text) if self.dialect.quoting == QUOTE_NONNUMERIC and not quoted else text


class writer:
    def __init__(self, csvfile, dialect="excel", **options):
        self.dialect = _options(dialect, options)
        self._write = csvfile.write

    def writerow(self, row):
        d = self.dialect
        values = list(row)
        told = [self._text(value, len(values) == 1) for value in values]
        return self._write(d.delimiter.join(told) + d.lineterminator)

    def writerows(self, rows):
        for row in rows:
            self.writerow(row)

    def _text(self, value, alone):
        d = self.dialect
        text = (
            ""
            if value is None
            else value
            if isinstance(value, str)
            else repr(value)
            if isinstance(value, float)
            else str(value)
        )
        special = [d.delimiter, "\r", "\n"]
        if d.quotechar:
            special.append(d.quotechar)
        if d.escapechar:
            special.append(d.escapechar)
        needs = (
            any([c in text for c in special])
            or (alone and not text)
            or (text[:1] == " " and d.skipinitialspace)
        )
        if d.quoting == QUOTE_NONE:
            if alone and not text:
                raise Error("single empty field record must be quoted")
            if needs:
                if not d.escapechar:
                    raise Error("need to escape, but no escapechar set")
                text = "".join([d.escapechar + c if c in special else c for c in text])
            return text
        number = isinstance(value, (int, float)) and not isinstance(value, str)
        if d.quoting == QUOTE_ALL or needs or (d.quoting == QUOTE_NONNUMERIC and not number):
            if d.doublequote:
                text = text.replace(d.quotechar, d.quotechar * 2)
            elif d.quotechar in text:
                if not d.escapechar:
                    raise Error("need to escape, but no escapechar set")
                text = text.replace(d.quotechar, d.escapechar + d.quotechar)
            return d.quotechar + text + d.quotechar
        return text


class DictReader:
    def __init__(self, f, fieldnames=None, restkey=None, restval=None, dialect="excel", **options):
        self.reader = reader(f, dialect, **options)
        self._names, self.restkey, self.restval = fieldnames, restkey, restval

    @property
    def fieldnames(self):
        if self._names is None:
            try:
                self._names = next(self.reader)
            except StopIteration:
                pass
        return self._names

    @fieldnames.setter
    def fieldnames(self, names):
        self._names = names

    @property
    def line_num(self):
        return self.reader.line_num

    def __iter__(self):
        return self

    def __next__(self):
        names = self.fieldnames
        row = next(self.reader)
        while not row:
            row = next(self.reader)
        made = dict(zip(names, row))
        if len(row) > len(names):
            made[self.restkey] = row[len(names) :]
        for name in names[len(row) :]:
            made[name] = self.restval
        return made


class DictWriter:
    def __init__(self, f, fieldnames, restval="", extrasaction="raise", dialect="excel", **options):
        if extrasaction not in ("raise", "ignore"):
            raise ValueError(f"extrasaction ({extrasaction}) must be 'raise' or 'ignore'")
        self.fieldnames, self.restval, self.extrasaction = fieldnames, restval, extrasaction
        self.writer = writer(f, dialect, **options)

    def writeheader(self):
        return self.writer.writerow(self.fieldnames)

    def writerow(self, row):
        if self.extrasaction == "raise":
            wrong = [name for name in row if name not in self.fieldnames]
            if wrong:
                raise ValueError(
                    "dict contains fields not in fieldnames: " + ", ".join([repr(name) for name in wrong])
                )
        return self.writer.writerow([row.get(name, self.restval) for name in self.fieldnames])

    def writerows(self, rows):
        for row in rows:
            self.writerow(row)


def field_size_limit(new=None):
    return 131072
