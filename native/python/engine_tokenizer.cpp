// nexus._engine.Tokenizer and Utf8Stream, and the model that carries the first.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/vector.h>

#include <cstring>
#include <optional>

#include "engine.hpp"
#include "engine/tokenizer/utf8.hpp"

namespace nexus::engine::python {
namespace {

std::optional<int64_t> token_id(const GgufFile &file, const char *name) {
    const auto found = file.integer(std::string("tokenizer.ggml.") + name);
    return found ? std::optional<int64_t>(static_cast<int64_t>(*found)) : std::nullopt;
}

TokenizerSource source_of(const GgufFile &file) {
    const auto text = [&](const char *name) {
        return std::string(file.text(std::string("tokenizer.ggml.") + name).value_or(""));
    };
    TokenizerSource source;
    source.model = text("model");
    source.pre = text("pre");
    source.tokens = file.texts("tokenizer.ggml.tokens").value_or(std::vector<std::string_view>{});
    source.merges = file.texts("tokenizer.ggml.merges").value_or(std::vector<std::string_view>{});
    source.scores = file.reals("tokenizer.ggml.scores").value_or(std::vector<float>{});
    source.types = file.integers("tokenizer.ggml.token_type").value_or(std::vector<int64_t>{});
    source.bos = token_id(file, "bos_token_id");
    source.eos = token_id(file, "eos_token_id");
    source.eot = token_id(file, "eot_token_id");
    source.eom = token_id(file, "eom_token_id");
    source.unknown = token_id(file, "unknown_token_id");
    source.padding = token_id(file, "padding_token_id");
    source.add_bos = file.boolean("tokenizer.ggml.add_bos_token");
    source.add_eos = file.boolean("tokenizer.ggml.add_eos_token");
    source.add_space_prefix = file.boolean("tokenizer.ggml.add_space_prefix");
    return source;
}

nb::object array_of(std::vector<int32_t> &&tokens) {
    auto *kept = new std::vector<int32_t>(std::move(tokens));
    const nb::capsule owner(kept, [](void *memory) noexcept { delete static_cast<std::vector<int32_t> *>(memory); });
    return nb::cast(Array<int32_t, 1>(kept->data(), {kept->size()}, owner));
}

nb::object encode(const Tokenizer &tokenizer, nb::object text, bool parse_special, bool add_bos) {
    const nb::bytes bytes =
        nb::isinstance<nb::bytes>(text) ? nb::cast<nb::bytes>(text) : nb::cast<nb::bytes>(text.attr("encode")());
    const std::string_view view(bytes.c_str(), bytes.size());
    std::vector<int32_t> tokens;
    {
        nb::gil_scoped_release others_may_run;
        tokens = tokenizer.encode(view, parse_special, add_bos);
    }
    return array_of(std::move(tokens));
}

nb::bytes as_bytes(std::string_view text) { return nb::bytes(text.data(), text.size()); }

std::optional<int32_t> optional_token(int32_t token) {
    return token < 0 ? std::nullopt : std::optional<int32_t>(token);
}

} // namespace

LoadedModel::LoadedModel(const std::string &path, unsigned threads)
    : file(path), config(ModelConfig::read(file)), tokenizer(source_of(file)), pool(threads),
      weights(file, config, pool), forward(config, weights, pool) {
    file.check_unchanged();
}

void define_tokenizer(nb::module_ &module) {
    nb::class_<Tokenizer>(module, "Tokenizer")
        .def_prop_ro("size", &Tokenizer::size)
        .def_prop_ro("bos", [](const Tokenizer &self) { return optional_token(self.bos()); })
        .def_prop_ro("eos", [](const Tokenizer &self) { return optional_token(self.eos()); })
        .def_prop_ro("adds_bos", &Tokenizer::adds_bos)
        .def("encode", &encode, nb::arg("text"), nb::arg("parse_special") = false, nb::arg("add_bos") = false)
        .def(
            "piece", [](const Tokenizer &self, int32_t token, bool special) { return as_bytes(self.piece(token, special)); },
            nb::arg("token"), nb::arg("special") = false)
        .def("is_end", &Tokenizer::is_end, nb::arg("token"))
        .def("is_control", &Tokenizer::is_control, nb::arg("token"))
        .def("pieces", [](const Tokenizer &self) {
            nb::list out;
            for (size_t token = 0; token < self.size(); ++token) {
                out.append(as_bytes(self.piece(static_cast<int32_t>(token), true)));
            }
            return out;
        });
    nb::class_<Utf8Stream>(module, "Utf8Stream")
        .def(nb::init<>())
        .def("push", [](Utf8Stream &self, nb::bytes data) { return self.push({data.c_str(), data.size()}); },
             nb::arg("data"))
        .def("flush", &Utf8Stream::flush);
}

} // namespace nexus::engine::python
