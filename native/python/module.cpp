// nexus._native: what Python sees of the C libraries. Translates values, decides nothing; the typed
// face and the meaning are in src/nexus/core/platform.py, the stub in src/nexus/_native.pyi.
#include <nanobind/nanobind.h>
#include <nanobind/stl/pair.h>

#include <utility>

#include "nexus_platform.h"

namespace nb = nanobind;

void nexus_cortex(nb::module_ &module); // cortex.cpp

// An error number and how many bytes were given back. Other Python threads may run meanwhile.
template <typename Work> static std::pair<int, size_t> released(Work work) {
    nb::gil_scoped_release others_may_run;
    size_t bytes = 0;
    const int failed = work(&bytes);
    return {failed, bytes};
}

NB_MODULE(_native, module) {
    module.def("die_with_parent", &nx_die_with_parent, nb::arg("signal"));
    module.def("can_trim_heap", &nx_can_trim_heap);
    // Other Python threads may run while the allocator walks its heap.
    module.def("trim_heap", &nx_trim_heap, nb::call_guard<nb::gil_scoped_release>());
    module.def("limit_heaps", &nx_limit_heaps, nb::arg("count"));
    module.def("release_libraries", [] { return released(&nx_release_libraries); });
    module.def("release_files", [](const char *folder, const char *except) {
        return released([folder, except](size_t *bytes) { return nx_release_files(folder, except, bytes); });
    });
    module.def("cpu_features", [] {
        struct nx_cpu_features found;
        nx_cpu_features(&found);
        nb::dict features;
        features["sse4.2"] = found.sse4_2;
        features["avx2"] = found.avx2;
        features["avx512f"] = found.avx512f;
        features["avx512vnni"] = found.avx512vnni;
        features["neon"] = found.neon;
        return features;
    });
    nexus_cortex(module);
}
