// nexus._engine.Store and Context: a model's pages on disk and in RAM, and the streams over them.
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <cstring>

#include "engine.hpp"
#include "engine/error.hpp"

namespace nexus::engine::python {
namespace {

KvShape kv_shape(const ModelConfig &config) {
    return {config.layers, config.kv_heads, config.heads, config.head_dim};
}

std::vector<Rope> ropes(const ModelConfig &config) {
    Rope rope;
    rope.base = config.rope_base;
    rope.dims = config.rope_dims;
    rope.neox = config.rope_neox;
    rope.scale = config.rope_scale;
    rope.factors = config.rope_factors;
    if (config.local_pattern == 0) {
        return {rope};
    }
    Rope local = rope;
    local.base = config.local_rope_base;
    local.scale = 1;
    return {rope, local};
}

std::vector<LayerKind> kinds(const ModelConfig &config) {
    std::vector<LayerKind> out(config.layers);
    for (uint32_t layer = 0; layer < config.layers; ++layer) {
        if (config.is_local(layer)) {
            out[layer] = {config.local_window, 1};
        }
    }
    return out;
}

BlockShape block_shape(const ModelConfig &config, const nb::bytes &model_id) {
    std::array<std::byte, 32> id;
    if (model_id.size() != id.size()) {
        throw LimitError("a model id of " + std::to_string(model_id.size()) + " bytes; it must have 32");
    }
    std::memcpy(id.data(), model_id.c_str(), id.size());
    return Context::block_shape(kv_shape(config), ropes(config), kinds(config), id);
}

nb::dict stats(OpenStore &store) {
    const PagePool::Stats pages = store.pages.stats();
    nb::dict out;
    out["blocks"] = store.blocks.used();
    out["disk_bytes"] = store.blocks.disk_bytes();
    out["capacity"] = store.blocks.capacity();
    out["frames"] = pages.frames;
    out["resident"] = pages.resident;
    out["hits"] = pages.hits;
    out["misses"] = pages.misses;
    out["waits"] = pages.waits;
    out["reads"] = pages.reads;
    out["bytes_read"] = pages.read_bytes;
    out["damaged"] = pages.damaged;
    return out;
}

nb::list new_blocks(StoredContext &stored) {
    nb::list out;
    for (const NewBlock &block : stored.fresh) {
        out.append(nb::make_tuple(block.ordinal, block.slot, static_cast<int64_t>(block.mark)));
    }
    stored.fresh.clear();
    return out;
}

void adopt(StoredContext &stored, const std::vector<uint32_t> &slots, const std::vector<int64_t> &marks) {
    const std::vector<uint64_t> unsigned_marks(marks.begin(), marks.end());
    nb::gil_scoped_release others_may_run;
    stored.context.adopt(slots, unsigned_marks);
}

} // namespace

size_t block_bytes(const LoadedModel &model) {
    return Context::block_shape(kv_shape(model.config), ropes(model.config), kinds(model.config), {}).bytes();
}

OpenStore::OpenStore(const std::string &path, const LoadedModel &model, nb::bytes model_id, size_t ram_bytes,
                     uint64_t capacity_blocks)
    : blocks(path, block_shape(model.config, model_id), capacity_blocks), pages(blocks, ram_bytes) {}

StoredContext::StoredContext(const LoadedModel &model, OpenStore &store, const PagingLimits &limits)
    : context(kv_shape(model.config), ropes(model.config), kinds(model.config), limits, store.blocks, store.pages) {}

void define_store(nb::module_ &module) {
    nb::class_<OpenStore>(module, "Store")
        .def(nb::init<const std::string &, const LoadedModel &, nb::bytes, size_t, uint64_t>(), nb::arg("path"),
             nb::arg("model"), nb::arg("model_id"), nb::arg("ram_bytes"), nb::arg("capacity_blocks"))
        .def_prop_ro("block_bytes", [](const OpenStore &store) { return store.blocks.shape().bytes(); })
        .def_prop_ro("least_ram",
                     [](const OpenStore &store) { return PagePool::least_bytes(store.blocks.shape()); })
        .def("reserve", [](OpenStore &store, const std::vector<uint32_t> &slots) { store.blocks.reserve(slots); },
             nb::arg("slots"))
        .def_prop_ro("slots", [](const OpenStore &store) { return store.blocks.slots(); })
        .def(
            "release",
            [](OpenStore &store, uint32_t slot) {
                store.pages.drop(slot);
                store.blocks.release(slot);
            },
            nb::arg("slot"), nb::call_guard<nb::gil_scoped_release>())
        .def("sync", [](OpenStore &store) { store.blocks.sync(); }, nb::call_guard<nb::gil_scoped_release>())
        .def("give_back", [](OpenStore &store) { store.blocks.give_back(); },
             nb::call_guard<nb::gil_scoped_release>())
        .def("set_ram", [](OpenStore &store, size_t bytes) { store.pages.set_budget(bytes); }, nb::arg("ram_bytes"),
             nb::call_guard<nb::gil_scoped_release>())
        .def("stats", &stats);
    nb::class_<StoredContext>(module, "Context")
        .def(
            "__init__",
            [](StoredContext *self, const LoadedModel &model, OpenStore &store, uint32_t exact_tokens, uint32_t sinks,
               uint32_t window, uint32_t pages, uint32_t bulk_pages) {
                PagingLimits limits;
                limits.exact_tokens = exact_tokens;
                limits.sinks = sinks;
                limits.window = window;
                limits.pages = pages;
                limits.bulk_pages = bulk_pages;
                new (self) StoredContext(model, store, limits.within(model.config.trained_context));
            },
            nb::arg("model"), nb::arg("store"), nb::arg("exact_tokens"), nb::arg("sinks") = 128,
            nb::arg("window") = 1024, nb::arg("pages") = 64, nb::arg("bulk_pages") = 32, nb::keep_alive<1, 2>(), nb::keep_alive<1, 3>())
        .def_prop_ro("tokens", [](const StoredContext &self) { return self.context.tokens(); })
        .def_prop_ro("index_bytes", [](const StoredContext &self) { return self.context.index_bytes(); })
        .def_prop_ro("ram_bytes", [](const StoredContext &self) { return self.context.ram_bytes(); })
        .def("new_blocks", &new_blocks)
        .def("adopt", &adopt, nb::arg("slots"), nb::arg("marks"))
        .def("tail",
             [](const StoredContext &self) {
                 const auto bytes = self.context.store_tail();
                 return nb::bytes(bytes.data(), bytes.size());
             })
        .def(
            "restore_tail",
            [](StoredContext &self, nb::bytes data) {
                self.context.load_tail({reinterpret_cast<const std::byte *>(data.c_str()), data.size()});
            },
            nb::arg("data"))
        .def("truncate", [](StoredContext &self, uint64_t tokens) { self.context.truncate(tokens); },
             nb::arg("tokens"));
}

} // namespace nexus::engine::python
