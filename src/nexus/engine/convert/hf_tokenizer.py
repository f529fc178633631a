"""`tokenizer.json` of a published model as the tokenizer keys of a GGUF file.

Two kinds are known: byte-level BPE (Llama 3, Qwen2, SmolLM2, GPT-2) and BPE over pieces with byte
fallback (Llama 2, TinyLlama). What the file asks for beyond them is refused by name: a tokenizer
that is nearly right gives wrong numbers quietly.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from nexus.core.errors import InvalidInputError, ModelCorruptError, ModelMissingError
from nexus.engine.convert.gguf_writer import GgufWriter
from nexus.engine.convert.hf_config import read_json

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6  # token types of the format

_TAIL = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_HEAD = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
_REGEXES = {_HEAD + r"\p{N}{1,3}" + _TAIL: "llama-bpe", _HEAD + r"\p{N}" + _TAIL: "qwen2"}
_SPECIALS = {"bos": "bos_token", "eos": "eos_token", "unknown": "unk_token", "padding": "pad_token"}


@dataclass(frozen=True, slots=True)
class HfTokenizer:
    """The tokenizer's files, read; `describe` declares what they say."""

    folder: Path
    tokenizer: dict[str, Any]
    config: dict[str, Any]
    generation: dict[str, Any]

    @classmethod
    def read(cls, folder: Path) -> HfTokenizer:
        """Raises `ModelMissingError` or `ModelCorruptError`."""
        tokenizer = read_json(folder / "tokenizer.json", needed=True)
        model = tokenizer.get("model")
        if not isinstance(model, dict) or not isinstance(model.get("vocab"), dict):
            raise ModelCorruptError(
                f"{folder / 'tokenizer.json'} has no vocabulary", hint="download it again"
            )
        return cls(
            folder,
            tokenizer,
            read_json(folder / "tokenizer_config.json"),
            read_json(folder / "generation_config.json"),
        )

    def describe(self, writer: GgufWriter, vocabulary: int, source: dict[str, Any]) -> None:
        """Declare the tokenizer's keys for an embedding of `vocabulary` rows; `source` is config.json.

        Raises `InvalidInputError` for a kind that is not known, `ModelCorruptError` for one that is broken.
        """
        kind = self.tokenizer["model"].get("type")
        if kind != "BPE":
            raise InvalidInputError(
                f"the tokenizer in {self.folder} is of type {kind}", hint="the engine tokenizes with BPE"
            )
        splitter = self._splitter()
        tokens, types = self._tokens(vocabulary, byte_level=splitter is not None)
        ids = {token: number for number, token in enumerate(tokens)}
        writer.text("tokenizer.ggml.model", "llama" if splitter is None else "gpt2")
        writer.text("tokenizer.ggml.pre", splitter or "default")
        writer.texts("tokenizer.ggml.tokens", tokens)
        merges = self._merges()
        if splitter is None:
            writer.reals("tokenizer.ggml.scores", _scores(tokens, types, merges))
        writer.integers("tokenizer.ggml.token_type", types)
        if splitter is not None:
            writer.texts("tokenizer.ggml.merges", [f"{left} {right}" for left, right in merges])
        self._describe_specials(writer, ids, source)
        writer.boolean("tokenizer.ggml.add_space_prefix", splitter is None and self._adds_space())
        template = self._chat_template()
        if template:
            writer.text("tokenizer.chat_template", template)

    def _splitter(self) -> str | None:
        """The name of the rule that cuts text into words; None for pieces, which are not cut."""
        steps = _flat(self.tokenizer.get("pre_tokenizer"), "pretokenizers")
        kinds = [step.get("type") for step in steps]
        if "ByteLevel" not in kinds:
            if not self.tokenizer["model"].get("byte_fallback"):
                raise InvalidInputError(
                    f"the tokenizer in {self.folder} is neither byte-level nor has it a byte fallback",
                    hint="the engine needs one of them to write any text",
                )
            return None
        normalizers = [
            str(step.get("type")) for step in _flat(self.tokenizer.get("normalizer"), "normalizers")
        ]
        if set(normalizers) - {"NFC"}:
            raise InvalidInputError(
                f"the tokenizer in {self.folder} normalises with {', '.join(normalizers)}"
            )
        if any(step.get("add_prefix_space") for step in steps):
            raise InvalidInputError(f"the tokenizer in {self.folder} puts a space before the text")
        level = steps[kinds.index("ByteLevel")]
        if kinds == ["ByteLevel"] and level.get("use_regex", True):
            return "gpt-2"
        if (
            kinds == ["Digits", "ByteLevel"]
            and steps[0].get("individual_digits")
            and level.get("use_regex", True)
        ):
            return "smollm"
        if kinds == ["Split", "ByteLevel"] and not level.get("use_regex", True):
            pattern = steps[0].get("pattern")
            regex = str(pattern.get("Regex")) if isinstance(pattern, dict) else ""
            if regex in _REGEXES and steps[0].get("behavior") == "Isolated" and not steps[0].get("invert"):
                return _REGEXES[regex]
        raise InvalidInputError(
            f"the tokenizer in {self.folder} splits text by a rule that is not known: {steps!r}"[:400],
            hint="known are those of Llama 3, Qwen2, SmolLM2 and GPT-2",
        )

    def _tokens(self, vocabulary: int, *, byte_level: bool) -> tuple[list[str], list[int]]:
        """Texts and types of all ids; rows of the embedding without a token are UNUSED."""
        model = self.tokenizer["model"]
        tokens = [f"[PAD{number}]" for number in range(vocabulary)]
        types = [UNUSED] * vocabulary
        for token, number in model["vocab"].items():
            token, number = self._checked(token, number, vocabulary)
            if types[number] != UNUSED:
                self._broken(f"{tokens[number]!r} and {token!r} both with id {number}")
            tokens[number], types[number] = token, NORMAL
            if not byte_level and len(token) == 6 and token.startswith("<0x") and token.endswith(">"):
                types[number] = BYTE
        for added in _objects(self.tokenizer.get("added_tokens"), "added_tokens"):
            token, number = self._checked(added.get("content"), added.get("id"), vocabulary)
            if types[number] != UNUSED and tokens[number] != token:
                self._broken(f"{tokens[number]!r} and {token!r} both with id {number}")
            tokens[number] = token
            types[number] = CONTROL if added.get("special") else USER_DEFINED
        unknown = model["vocab"].get(str(model.get("unk_token")))
        if unknown is not None and not byte_level:
            types[unknown] = UNKNOWN
        return tokens, types

    def _checked(self, token: Any, number: Any, vocabulary: int) -> tuple[str, int]:
        """A token's text and id, which is a row of the embedding."""
        if not isinstance(token, str) or type(number) is not int or number < 0:
            self._broken(f"the token {token!r} with id {number!r}")
        if number >= vocabulary:
            raise ModelCorruptError(
                f"the token {token!r} has id {number}, the model's embedding has {vocabulary} rows",
                hint="tokenizer.json and the weights are of different models",
            )
        return token, number

    def _merges(self) -> list[tuple[str, str]]:
        source = self.tokenizer["model"].get("merges") or []
        if not isinstance(source, list):
            self._broken("merges that are no list")
        merges = []
        for merge in source:
            pair = merge.split(" ") if isinstance(merge, str) else merge
            if (
                not isinstance(pair, list)
                or len(pair) != 2
                or not all(isinstance(part, str) for part in pair)
            ):
                self._broken(f"the merge {merge!r}, not two pieces")
            merges.append((pair[0], pair[1]))
        return merges

    def _broken(self, what: str) -> NoReturn:
        raise ModelCorruptError(f"{self.folder / 'tokenizer.json'} has {what}", hint="download it again")

    def _describe_specials(self, writer: GgufWriter, ids: dict[str, int], source: dict[str, Any]) -> None:
        for name, key in _SPECIALS.items():
            token = self.config.get(key)
            token = token.get("content") if isinstance(token, dict) else token
            number = ids.get(token) if isinstance(token, str) else None
            if number is None:
                number = _first_id(source.get(f"{key}_id"))
            if number is not None and 0 <= number < len(ids):
                writer.integer(f"tokenizer.ggml.{name}_token_id", number)
                if name == "eos":
                    self._describe_second_end(writer, number)
        begins = self.config.get("add_bos_token", self._template_begins(ids))
        writer.boolean("tokenizer.ggml.add_bos_token", bool(begins))
        writer.boolean("tokenizer.ggml.add_eos_token", bool(self.config.get("add_eos_token", False)))

    def _describe_second_end(self, writer: GgufWriter, eos: int) -> None:
        """A model may end its turn with another token than its text; the first such one is told."""
        ends = self.generation.get("eos_token_id")
        others = [end for end in ends if type(end) is int and end != eos] if isinstance(ends, list) else []
        if others:
            writer.integer("tokenizer.ggml.eot_token_id", others[0])

    def _template_begins(self, ids: dict[str, int]) -> bool:
        """Whether the post-processor puts a special token before every text."""
        for step in _flat(self.tokenizer.get("post_processor"), "processors"):
            single = _objects(step.get("single"), "post_processor")
            special = single[0].get("SpecialToken") if single else None
            if step.get("type") == "TemplateProcessing" and isinstance(special, dict):
                return str(special.get("id")) in ids
        return False

    def _adds_space(self) -> bool:
        normalizers = _flat(self.tokenizer.get("normalizer"), "normalizers")
        if any(step.get("type") == "Prepend" for step in normalizers):
            return True
        for step in _flat(self.tokenizer.get("pre_tokenizer"), "pretokenizers"):
            if step.get("type") == "Metaspace":
                return step.get("prepend_scheme", "always") != "never" and bool(
                    step.get("add_prefix_space", True)
                )
        return False

    def _chat_template(self) -> str | None:
        file = self.folder / "chat_template.jinja"
        try:
            return file.read_text("utf-8")
        except FileNotFoundError:
            pass
        except (OSError, UnicodeDecodeError) as error:
            raise ModelMissingError(f"{file} cannot be read: {error}") from error
        template = self.config.get("chat_template")
        if isinstance(template, list):
            named = {
                entry.get("name"): entry.get("template") for entry in template if isinstance(entry, dict)
            }
            template = named.get("default")
        return template if isinstance(template, str) else None


def _flat(step: Any, inner: str) -> list[dict[str, Any]]:
    """The steps of a pipeline, a sequence taken apart."""
    if not isinstance(step, dict):
        return []
    if step.get("type") == "Sequence":
        return [part for nested in _objects(step.get(inner), inner) for part in _flat(nested, inner)]
    return [step]


def _objects(value: Any, what: str) -> list[dict[str, Any]]:
    value = value or []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise ModelCorruptError(f"tokenizer.json: {what} is no list of objects", hint="download it again")
    return value


def _first_id(value: Any) -> int | None:
    value = value[0] if isinstance(value, list) and value else value
    return value if type(value) is int else None


def _scores(tokens: list[str], types: list[int], merges: list[tuple[str, str]]) -> list[float]:
    """Scores by which merging the best-scored pair first repeats the order of `merges`: a piece's score
    is minus the rank of the first merge that makes it. Pieces that no merge makes are the worst."""
    ranks: dict[str, int] = {}
    for rank, (left, right) in enumerate(merges):
        ranks.setdefault(left + right, rank)
    worst = -float(len(merges)) - 1
    return [
        -float(ranks.get(token, -worst)) if kind == NORMAL else 0.0
        for token, kind in zip(tokens, types, strict=True)
    ]
