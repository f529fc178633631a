"""Constants, capwords, Template, Formatter (format and vformat)."""

whitespace = " \t\n\r\x0b\x0c"
ascii_lowercase = "abcdefghijklmnopqrstuvwxyz"
ascii_uppercase = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
ascii_letters = ascii_lowercase + ascii_uppercase
digits = "0123456789"
hexdigits = digits + "abcdefABCDEF"
octdigits = "01234567"
punctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
printable = digits + ascii_letters + punctuation + whitespace
_WORD = ascii_letters + "_"


def capwords(s, sep=None):
    return (sep or " ").join([word.capitalize() for word in s.split(sep)])


class Template:
    delimiter = "$"

    def __init__(self, template):
        self.template = template

    def substitute(self, mapping=None, **named):
        return self._filled(mapping, named, False)

    def safe_substitute(self, mapping=None, **named):
        return self._filled(mapping, named, True)

    def get_identifiers(self):
        found = []
        for kind, name, _ in self._parts():
            if kind == "name" and name not in found:
                found.append(name)
        return found

    def is_valid(self):
        return all([kind != "bad" for kind, _, _ in self._parts()])

    def _filled(self, mapping, named, safe):
        values = dict(mapping or {})
        values.update(named)
        done = []
        for kind, text, at in self._parts():
            if kind == "name":
                if safe and text not in values:
                    done.append(self.template[at[0] : at[1]])
                else:
                    done.append(str(values[text]))
            elif kind == "bad" and not safe:
                before = self.template[: at[0]].splitlines(True)
                line = max(1, len(before))
                column = at[0] - len("".join(before[:-1])) + 1
                raise ValueError(f"Invalid placeholder in string: line {line}, col {column}")
            else:
                done.append(text)
        return "".join(done)

    def _parts(self):
        text, at, found = self.template, 0, []
        while at < len(text):
            mark = text.find(self.delimiter, at)
            if mark < 0:
                mark = len(text)
            if mark > at:
                found.append(("text", text[at:mark], None))
            if mark == len(text):
                break
            after = mark + 1
            braced = text[after : after + 1] == "{"
            start = after + braced
            end = start
            while end < len(text) and (text[end] in _WORD or (end > start and text[end] in digits)):
                end += 1
            if text[after : after + 1] == self.delimiter:
                found.append(("text", self.delimiter, None))
                at = after + 1
            elif end > start and (not braced or text[end : end + 1] == "}"):
                at = end + braced
                found.append(("name", text[start:end], (mark, at)))
            else:
                found.append(("bad", self.delimiter, (mark, after)))
                at = after
        return found


class Formatter:
    def format(self, format_string, *values, **named):
        return self.vformat(format_string, values, named)

    def vformat(self, format_string, values, named):
        return format_string.format(*values, **named)
