// nexus._engine: native/engine for Python. Translates values and errors, lets go of the interpreter lock
// while the engine computes, decides nothing. What things mean is in the headers of native/engine; the
// typed face is src/nexus/_engine.pyi.
#include "engine.hpp"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/unordered_map.h>
#include <nanobind/stl/vector.h>

#include "engine/error.hpp"
#include "engine/graph/sampler.hpp"
#include "engine/paging/page_pool.hpp"

namespace nexus::engine::python {
namespace {

nb::dict config_of(const LoadedModel &model) {
    const ModelConfig &config = model.config;
    nb::dict out;
    out["architecture"] = config.architecture;
    out["name"] = config.name;
    out["layers"] = config.layers;
    out["width"] = config.width;
    out["feed_forward"] = config.feed_forward;
    out["heads"] = config.heads;
    out["kv_heads"] = config.kv_heads;
    out["head_dim"] = config.head_dim;
    out["vocabulary"] = config.vocabulary;
    out["trained_context"] = config.trained_context;
    out["ternary"] = config.ternary;
    return out;
}

Array<const float, 2> step(LoadedModel &model, nb::sequence streams) {
    std::vector<std::vector<int32_t>> tokens;
    std::vector<StreamStep> steps;
    tokens.reserve(nb::len(streams)); // spans into it must not move
    for (nb::handle item : streams) {
        const auto stream = nb::cast<nb::tuple>(item);
        tokens.push_back(token_list(stream[1]));
        auto &stored = nb::cast<StoredContext &>(stream[0]);
        steps.push_back({&stored.context, tokens.back(), nb::cast<size_t>(stream[2]), &stored.fresh});
    }
    std::span<const float> logits;
    {
        nb::gil_scoped_release others_may_run;
        logits = model.forward.step(steps);
    }
    const size_t width = model.config.vocabulary;
    return Array<const float, 2>(logits.data(), {logits.size() / width, width}, nb::find(model));
}

int32_t sample(Sampler &sampler, Array<const float, 1> logits, std::optional<Array<const uint32_t, 1>> allowed) {
    const std::span<const float> row(logits.data(), logits.shape(0));
    std::span<const uint32_t> mask;
    if (allowed) {
        mask = {allowed->data(), allowed->shape(0)};
    }
    nb::gil_scoped_release others_may_run;
    return sampler.sample(row, mask);
}

void define_sampler(nb::module_ &module) {
    nb::class_<Sampler>(module, "Sampler")
        .def(
            "__init__",
            [](Sampler *self, float temperature, float top_p, uint32_t top_k, float min_p, float repeat_penalty,
               float presence_penalty, float frequency_penalty, uint32_t repeat_last, uint64_t seed,
               std::optional<std::unordered_map<int32_t, float>> bias) {
                SamplingOptions options;
                options.temperature = temperature;
                options.top_p = top_p;
                options.top_k = top_k;
                options.min_p = min_p;
                options.repeat_penalty = repeat_penalty;
                options.presence_penalty = presence_penalty;
                options.frequency_penalty = frequency_penalty;
                options.repeat_last = repeat_last;
                options.seed = seed;
                options.bias = bias.value_or(std::unordered_map<int32_t, float>{});
                new (self) Sampler(std::move(options));
            },
            nb::arg("temperature") = 0.7F, nb::arg("top_p") = 0.95F, nb::arg("top_k") = 0, nb::arg("min_p") = 0.0F,
            nb::arg("repeat_penalty") = 1.0F, nb::arg("presence_penalty") = 0.0F,
            nb::arg("frequency_penalty") = 0.0F, nb::arg("repeat_last") = 64, nb::arg("seed") = 0,
            nb::arg("bias") = nb::none())
        .def("sample", &sample, nb::arg("logits"), nb::arg("allowed") = nb::none())
        .def("accept", &Sampler::accept, nb::arg("token"), nb::arg("generated"));
    module.def(
        "log_probability",
        [](Array<const float, 1> logits, int32_t token) {
            if (token < 0 || static_cast<size_t>(token) >= logits.shape(0)) {
                throw LimitError("token " + std::to_string(token) + " has no logit");
            }
            return log_probability({logits.data(), logits.shape(0)}, token);
        },
        nb::arg("logits"), nb::arg("token"));
}

void define_model(nb::module_ &module) {
    nb::class_<LoadedModel>(module, "Model")
        .def(nb::init<const std::string &, unsigned>(), nb::arg("path"), nb::arg("threads"),
             nb::call_guard<nb::gil_scoped_release>())
        .def_prop_ro("tokenizer", [](LoadedModel &model) -> Tokenizer & { return model.tokenizer; },
                     nb::rv_policy::reference_internal)
        .def_prop_rw("threads", [](const LoadedModel &model) { return model.pool.size(); },
                     [](LoadedModel &model, unsigned count) { model.pool.resize(count); })
        .def_prop_ro("config", &config_of)
        .def_prop_ro("bytes", [](const LoadedModel &model) { return model.weights.bytes(); })
        .def_prop_ro("block_bytes", &block_bytes)
        .def("text",
             [](const LoadedModel &model, std::string_view key) -> std::optional<std::string> {
                 const auto found = model.file.text(key);
                 return found ? std::optional<std::string>(*found) : std::nullopt;
             })
        .def("step", &step, nb::arg("streams"));
}

} // namespace

std::vector<int32_t> token_list(nb::handle tokens) {
    Array<const int32_t, 1> array;
    if (nb::try_cast(tokens, array)) {
        return {array.data(), array.data() + array.shape(0)};
    }
    return nb::cast<std::vector<int32_t>>(tokens);
}

NB_MODULE(_engine, module) {
    static nb::exception<Error> base(module, "EngineNativeError", PyExc_RuntimeError);
    static nb::exception<FormatError> format(module, "FormatError", base.ptr());
    static nb::exception<UnsupportedError> unsupported(module, "UnsupportedError", base.ptr());
    static nb::exception<LimitError> limit(module, "LimitError", base.ptr());
    static nb::exception<IoError> io(module, "EngineIoError", base.ptr());
    static nb::exception<DamagedPage> damaged(module, "DamagedPageError", format.ptr());
    // The last one registered is asked first: it adds what Python needs to forget the block.
    nb::register_exception_translator([](const std::exception_ptr &thrown, void *) {
        try {
            std::rethrow_exception(thrown);
        } catch (const DamagedPage &error) {
            nb::object raised = damaged(error.what());
            raised.attr("slot") = error.slot;
            PyErr_SetObject(damaged.ptr(), raised.ptr());
        }
    });
    module.attr("PAGE_TOKENS") = page_tokens;
    module.attr("MOST_STEP_TOKENS") = most_step_tokens;
    module.def("supported_architectures", [] {
        const auto &names = supported_architectures();
        return std::vector<std::string>(names.begin(), names.end());
    });
    define_tokenizer(module);
    define_model(module);
    define_store(module);
    define_sampler(module);
    define_bench(module);
}

} // namespace nexus::engine::python
