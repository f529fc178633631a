// native/cortex for Python: checks the arrays' shapes, which C cannot see, and lets go of the
// interpreter lock. What the functions do is written in nexus_cortex.h; the typed face is
// src/nexus/cortex/scan.py.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>

#include <cerrno>
#include <optional>

#include "nexus_cortex.h"

namespace nb = nanobind;

namespace {

template <typename Value, int Dimensions>
using Array = nb::ndarray<Value, nb::ndim<Dimensions>, nb::c_contig, nb::device::cpu>;

nx_kernel known(int number) {
    if (number < NX_KERNEL_SCALAR || number > NX_KERNEL_AVX512VNNI)
        throw nb::value_error("no such kernel");
    return static_cast<nx_kernel>(number);
}

void check(int result, const char *refused) {
    if (result == ENOTSUP)
        throw nb::value_error("this machine cannot run the kernel");
    if (result != 0)
        throw nb::value_error(refused);
}

size_t scan(int kernel, Array<const int8_t, 2> codes, Array<const float, 1> scales, size_t count,
            Array<const float, 1> question, std::optional<Array<const uint64_t, 1>> allowed,
            Array<uint32_t, 1> rows, Array<float, 1> scores) {
    if (count > codes.shape(0) || count > scales.shape(0))
        throw nb::value_error("fewer rows than count");
    if (allowed && allowed->shape(0) < (count + 63) / 64)
        throw nb::value_error("the bitmap is too short");
    if (rows.shape(0) != scores.shape(0))
        throw nb::value_error("rows and scores differ in length");
    const nx_kernel chosen = known(kernel);
    const nx_rows table = {codes.data(), scales.data(), count, codes.shape(1)};
    size_t found = 0;
    int result;
    {
        nb::gil_scoped_release others_may_run;
        result = nx_scan(chosen, &table, question.data(), question.shape(0),
                         allowed ? allowed->data() : nullptr, rows.shape(0), rows.data(), scores.data(),
                         &found);
    }
    check(result, "rows must be 64-byte aligned and wide, and the question finite and no wider");
    return found;
}

void max_similarity(int kernel, Array<const float, 2> question, Array<const int8_t, 2> tokens,
                    Array<const uint64_t, 1> offsets, float scale, Array<float, 1> scores) {
    if (question.shape(1) != NX_TOKEN_WIDTH || tokens.shape(1) != NX_TOKEN_WIDTH)
        throw nb::value_error("token vectors have 64 dimensions");
    if (offsets.shape(0) != scores.shape(0) + 1)
        throw nb::value_error("there is one offset more than passages");
    const nx_kernel chosen = known(kernel);
    int result;
    {
        nb::gil_scoped_release others_may_run;
        result = nx_max_similarity(chosen, question.data(), question.shape(0),
                                   tokens.data(), tokens.shape(0), offsets.data(), scores.shape(0), scale,
                                   scores.data());
    }
    check(result, "offsets must ascend within the tokens, and question and scale be finite");
}

} // namespace

void nexus_cortex(nb::module_ &module) {
    module.def("cortex_kernels", [] {
        nb::list usable;
        for (int kernel = NX_KERNEL_SCALAR; kernel <= NX_KERNEL_AVX512VNNI; kernel++)
            if (nx_kernel_usable(static_cast<nx_kernel>(kernel)))
                usable.append(kernel);
        return usable;
    });
    // An array of another type is refused: nanobind would convert a copy, and results be lost in it.
    module.def("cortex_scan", &scan, nb::arg("kernel"), nb::arg("codes").noconvert(),
               nb::arg("scales").noconvert(), nb::arg("count"), nb::arg("question").noconvert(),
               nb::arg("allowed").noconvert().none(), nb::arg("rows").noconvert(),
               nb::arg("scores").noconvert());
    module.def("cortex_max_similarity", &max_similarity, nb::arg("kernel"),
               nb::arg("question").noconvert(), nb::arg("tokens").noconvert(),
               nb::arg("offsets").noconvert(), nb::arg("scale"), nb::arg("scores").noconvert());
}
