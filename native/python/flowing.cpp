// nexus._flowing: native/flowing for Python. Checks what C cannot see and lets go of the interpreter lock;
// what the functions do is written in nexus_flowing.h, the typed face is src/nexus/flowing/flow.py.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/pair.h>

#include <cerrno>
#include <memory>
#include <new>
#include <utility>

#include "nexus_flowing.h"

namespace nb = nanobind;

namespace {

using Floats = nb::ndarray<nb::numpy, float, nb::ndim<1>>;

void check(int result) {
    if (result == ENOMEM)
        throw std::bad_alloc();
    if (result != 0)
        throw nb::value_error("refused: a value is out of bounds");
}

// The values live as long as the array does.
Floats floats(std::unique_ptr<float[]> values, size_t count) {
    nb::capsule owner(values.get(), [](void *all) noexcept { delete[] static_cast<float *>(all); });
    return Floats(values.release(), {count}, owner);
}

class Core {
  public:
    Core(uint32_t base_bits, uint32_t user_bits, uint32_t energy_bits, uint32_t match_bits,
         uint32_t relaxation_steps, float relaxation_stop, float mixer_rate, float user_mixer_rate,
         float gate_rate, float row_rate, float readout_rate) {
        const nx_flow_settings settings = {base_bits,        user_bits,       energy_bits, match_bits,
                                           relaxation_steps, relaxation_stop, mixer_rate,  user_mixer_rate,
                                           gate_rate,        row_rate,        readout_rate};
        check(nx_flow_new(&settings, &flow_));
    }
    ~Core() { nx_flow_free(flow_); }
    Core(const Core &) = delete;
    Core &operator=(const Core &) = delete;

    void begin() { nx_flow_begin(flow_); }

    std::pair<Floats, uint64_t> read(nb::bytes data, bool learn, unsigned kind) {
        const size_t count = data.size();
        auto bits = std::make_unique<float[]>(count);
        uint64_t steps = 0;
        int result;
        {
            nb::gil_scoped_release others_may_run;
            result = nx_flow_read(flow_, static_cast<const uint8_t *>(data.data()), count, learn, kind,
                                  bits.get(), &steps);
        }
        check(result);
        return {floats(std::move(bits), count), steps};
    }

    Floats predict(unsigned kind) {
        auto probabilities = std::make_unique<float[]>(256);
        check(nx_flow_predict(flow_, kind, probabilities.get()));
        return floats(std::move(probabilities), 256);
    }

    std::pair<uint64_t, uint64_t> totals() const {
        uint64_t totals[NX_FLOW_KINDS];
        nx_flow_totals(flow_, totals);
        return {totals[0], totals[1]};
    }

    void set_totals(std::pair<uint64_t, uint64_t> totals) {
        const uint64_t both[NX_FLOW_KINDS] = {totals.first, totals.second};
        nx_flow_set_totals(flow_, both);
    }

    bool usable() { return nx_flow_check(flow_) == 0; }

    nx_flow *flow() { return flow_; }

  private:
    nx_flow *flow_ = nullptr;
};

nb::dlpack::dtype type_of(nx_flow_type type) {
    switch (type) {
    case NX_FLOW_U8:
        return nb::dtype<uint8_t>();
    case NX_FLOW_U16:
        return nb::dtype<uint16_t>();
    case NX_FLOW_U32:
        return nb::dtype<uint32_t>();
    default:
        return nb::dtype<float>();
    }
}

// Live arrays by name; each keeps the core alive.
nb::dict arrays(nb::handle_t<Core> self) {
    nb::dict found;
    for (size_t number = 0; number < nx_flow_array_count(); number++) {
        nx_flow_array array;
        check(nx_flow_get_array(nb::cast<Core &>(self).flow(), number, &array));
        const size_t shape[] = {array.rows, array.columns};
        found[array.name] = nb::cast(nb::ndarray<nb::numpy>(array.data, array.columns == 1 ? 1 : 2, shape, self,
                                                           nullptr, type_of(array.type)),
                                    nb::rv_policy::reference);
    }
    return found;
}

} // namespace

NB_MODULE(_flowing, module) {
    module.def("kernels", &nx_flow_kernels);
    nb::class_<Core>(module, "Core")
        .def(nb::init<uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, float, float, float, float, float,
                      float>(),
             nb::arg("base_bits"), nb::arg("user_bits"), nb::arg("energy_bits"), nb::arg("match_bits"),
             nb::arg("relaxation_steps"), nb::arg("relaxation_stop"), nb::arg("mixer_rate"),
             nb::arg("user_mixer_rate"), nb::arg("gate_rate"), nb::arg("row_rate"), nb::arg("readout_rate"))
        .def("begin", &Core::begin)
        .def("read", &Core::read, nb::arg("data"), nb::arg("learn"), nb::arg("kind"))
        .def("predict", &Core::predict, nb::arg("kind"))
        .def("usable", &Core::usable)
        .def("arrays", &arrays)
        .def_prop_rw("totals", &Core::totals, &Core::set_totals);
}
