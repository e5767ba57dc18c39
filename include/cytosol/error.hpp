/* Failures as exceptions, owners of handles, and the call that joins them. Included by cytosol.hpp, whose rules hold. */
#ifndef CYTOSOL_ERROR_HPP
#define CYTOSOL_ERROR_HPP

#include <cstddef>
#include <cstdint>
#include <exception>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "../cytosol.h"

namespace cytosol {

/// Why a call failed. what() is one line: where, what is wrong, what would be right.
class error : public std::runtime_error {
public:
    error(cyto_status code, const std::string &message, std::string detail = "{}")
        : std::runtime_error(message), code_(code), detail_(std::move(detail)) {}
    cyto_status code() const noexcept { return code_; }
    /// JSON object with what is known of the place: argument, file, gene, row, column, ...
    const std::string &detail_json() const noexcept { return detail_; }

private:
    cyto_status code_;
    std::string detail_;
};

/// The exception of one status code.
template <cyto_status Code>
class error_of : public error {
public:
    explicit error_of(const std::string &message, std::string detail = "{}")
        : error(Code, message, std::move(detail)) {}
};

using invalid_argument = error_of<CYTO_INVALID_ARGUMENT>;
using cancelled = error_of<CYTO_CANCELLED>;
using no_gpu = error_of<CYTO_NO_GPU>;
using out_of_memory = error_of<CYTO_OUT_OF_MEMORY>;
using io_error = error_of<CYTO_IO>;
using format_error = error_of<CYTO_FORMAT>;
using not_converged = error_of<CYTO_NOT_CONVERGED>;
using unsupported = error_of<CYTO_UNSUPPORTED>;
using state_error = error_of<CYTO_STATE>;
using checkpoint_mismatch = error_of<CYTO_CHECKPOINT_MISMATCH>;
using abi_mismatch = error_of<CYTO_ABI_MISMATCH>;
using callback_error = error_of<CYTO_CALLBACK>;
using invalid_data = error_of<CYTO_INVALID_DATA>;
using not_found = error_of<CYTO_NOT_FOUND>;
using library_panic = error_of<CYTO_PANIC>;

namespace detail {

struct free_handle {
    void operator()(cyto_error *h) const noexcept { cyto_error_free(h); }
    void operator()(cyto_context *h) const noexcept { cyto_context_free(h); }
    void operator()(cyto_matrix *h) const noexcept { cyto_matrix_free(h); }
    void operator()(cyto_dataset *h) const noexcept { cyto_dataset_free(h); }
    void operator()(cyto_reference *h) const noexcept { cyto_reference_free(h); }
    void operator()(cyto_spatial *h) const noexcept { cyto_spatial_free(h); }
    void operator()(cyto_rctd_options *h) const noexcept { cyto_rctd_options_free(h); }
    void operator()(cyto_rctd *h) const noexcept { cyto_rctd_free(h); }
    void operator()(cyto_rctd_results *h) const noexcept { cyto_rctd_results_free(h); }
    void operator()(cyto_plan *h) const noexcept { cyto_plan_free(h); }
    void operator()(cyto_partial *h) const noexcept { cyto_partial_free(h); }
    void operator()(cyto_pp_result *h) const noexcept { cyto_pp_result_free(h); }
};

template <class T>
using owner = std::unique_ptr<T, free_handle>;

[[noreturn]] inline void raise(cyto_status code, const std::string &message, std::string detail) {
    switch (code) {
    case CYTO_INVALID_ARGUMENT: throw invalid_argument(message, std::move(detail));
    case CYTO_CANCELLED: throw cancelled(message, std::move(detail));
    case CYTO_NO_GPU: throw no_gpu(message, std::move(detail));
    case CYTO_OUT_OF_MEMORY: throw out_of_memory(message, std::move(detail));
    case CYTO_IO: throw io_error(message, std::move(detail));
    case CYTO_FORMAT: throw format_error(message, std::move(detail));
    case CYTO_NOT_CONVERGED: throw not_converged(message, std::move(detail));
    case CYTO_UNSUPPORTED: throw unsupported(message, std::move(detail));
    case CYTO_STATE: throw state_error(message, std::move(detail));
    case CYTO_CHECKPOINT_MISMATCH: throw checkpoint_mismatch(message, std::move(detail));
    case CYTO_ABI_MISMATCH: throw abi_mismatch(message, std::move(detail));
    case CYTO_CALLBACK: throw callback_error(message, std::move(detail));
    case CYTO_INVALID_DATA: throw invalid_data(message, std::move(detail));
    case CYTO_NOT_FOUND: throw not_found(message, std::move(detail));
    case CYTO_PANIC: throw library_panic(message, std::move(detail));
    default: throw error(code, message, std::move(detail));
    }
}

/// What a callback of the host threw during the call that runs on this thread.
inline std::exception_ptr &thrown() noexcept {
    static thread_local std::exception_ptr pointer;
    return pointer;
}

/// Runs `f(&err)`; a status other than CYTO_OK becomes an exception, the host's own one first.
template <class F>
void call(F &&f) {
    cyto_error *failure = nullptr;
    const std::exception_ptr outer = std::exchange(thrown(), nullptr);
    const cyto_status code = f(&failure);
    const owner<cyto_error> owned(failure);
    const std::exception_ptr inner = std::exchange(thrown(), outer);
    if (inner) std::rethrow_exception(inner);
    if (code == CYTO_OK) return;
    raise(code, cyto_error_message(failure), cyto_error_detail_json(failure));
}

/// Runs `f(&out, &err)`, which makes a handle.
template <class T, class F>
owner<T> make(F &&f) {
    owner<T> made;
    call([&](cyto_error **err) {
        T *raw = nullptr;
        const cyto_status code = f(&raw, err);
        made.reset(raw);
        return code;
    });
    return made;
}

/// Refuses a library that was built for another header.
inline void check_abi() {
    if (cyto_abi_version() != CYTO_ABI_VERSION)
        throw abi_mismatch("libcytosol has ABI " + std::to_string(cyto_abi_version()) +
                           "; this program was built for ABI " +
                           std::to_string(CYTO_ABI_VERSION));
}

template <class T>
constexpr cyto_dtype dtype_of() {
    using U = std::remove_cv_t<T>;
    if constexpr (std::is_same_v<U, const char *>) {
        return CYTO_TEXT;
    } else if constexpr (std::is_floating_point_v<U>) {
        static_assert(sizeof(U) == 4 || sizeof(U) == 8, "float or double");
        return sizeof(U) == 4 ? CYTO_F32 : CYTO_F64;
    } else {
        static_assert(std::is_integral_v<U> && !std::is_same_v<U, bool>, "not a type of counts");
        if constexpr (std::is_signed_v<U>) {
            static_assert(sizeof(U) >= 4, "signed counts are int32_t or int64_t");
            return sizeof(U) == 4 ? CYTO_I32 : CYTO_I64;
        } else {
            return sizeof(U) == 1   ? CYTO_U8
                   : sizeof(U) == 2 ? CYTO_U16
                   : sizeof(U) == 4 ? CYTO_U32
                                    : CYTO_U64;
        }
    }
}

/// A string for C; one with a NUL inside would be cut off.
inline const char *c_str(const char *argument, const std::string &text) {
    if (text.find('\0') != std::string::npos)
        throw invalid_argument(std::string(argument) + ": holds a NUL character");
    return text.c_str();
}

inline std::vector<const char *> c_strs(const char *argument, const std::vector<std::string> &list) {
    std::vector<const char *> pointers;
    pointers.reserve(list.size());
    for (const std::string &text : list) pointers.push_back(c_str(argument, text));
    return pointers;
}

inline int64_t signed_size(const char *argument, std::size_t n) {
    if (n > static_cast<std::size_t>(std::numeric_limits<int64_t>::max()))
        throw invalid_argument(std::string(argument) + ": too long");
    return static_cast<int64_t>(n);
}

} // namespace detail

/// Version of the library, for example "0.1.0".
inline std::string version() { return cyto_version(); }
/// JSON object: version, abi, target, features, cpu, cuda.
inline std::string build_info_json() { return cyto_build_info_json(); }

} // namespace cytosol

#endif
