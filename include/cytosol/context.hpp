/* Threads, seed, memory limit, device, progress and cancel. Included by cytosol.hpp, whose rules hold. */
#ifndef CYTOSOL_CONTEXT_HPP
#define CYTOSOL_CONTEXT_HPP

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "error.hpp"

namespace cytosol {

/// A moment of a long job.
struct progress {
    std::uint64_t done;    ///< items done
    std::uint64_t total;   ///< items of this stage; 0 when not known beforehand
    double elapsed_s;      ///< seconds since the stage began
    std::string_view stage;   ///< for example "fit_pixels"; valid during the callback
    std::string_view message; ///< for people, often empty
};

/// Receives progress on the thread that made the call; false asks to stop, which throws `cancelled`
/// from that call. It may throw.
using progress_fn = std::function<bool(const progress &)>;

/// Threads (0 = as many as the process may use; results never depend on it), least milliseconds between two
/// progress calls, seed of every random draw, bytes for blocks and caches (0 = 80 % of what the process may
/// use), device ("cpu", "auto" or "cuda").
struct context_options {
    int threads = 0;
    std::uint32_t progress_interval_ms = 100;
    std::uint64_t seed = 1;
    std::uint64_t memory_limit_bytes = 0;
    std::string device = "cpu";
};

/// Threads, seed, memory limit, device, progress and cancel of the calls it is given to.
class context {
public:
    explicit context(const context_options &options = {}) {
        detail::check_abi();
        cyto_context_options given = CYTO_CONTEXT_OPTIONS_INIT;
        given.threads = options.threads;
        given.progress_interval_ms = options.progress_interval_ms;
        given.seed = options.seed;
        given.memory_limit_bytes = options.memory_limit_bytes;
        given.device = detail::c_str("device", options.device);
        handle_ = detail::make<cyto_context>(
            [&](cyto_context **out, cyto_error **err) { return cyto_context_new(&given, out, err); });
    }
    int threads() const noexcept { return cyto_context_threads(get()); }
    /// Sets the callback of later calls; an empty function removes it.
    void set_progress(progress_fn function) {
        auto held = function ? std::make_unique<progress_fn>(std::move(function)) : nullptr;
        detail::call([&](cyto_error **err) {
            return cyto_context_set_progress(get(), held ? &context::trampoline : nullptr,
                                             held.get(), err);
        });
        progress_ = std::move(held);
    }
    /// Asks the call that runs on this context to stop. From any thread and from a signal handler. Without a
    /// running call nothing happens.
    void cancel() const noexcept { cyto_context_cancel(get()); }
    const cyto_context *get() const noexcept { return handle_.get(); }

private:
    static int32_t trampoline(void *user_data, const cyto_progress *p) noexcept {
        try {
            const progress seen{p->done, p->total, p->elapsed_s, p->stage, p->message};
            return (*static_cast<progress_fn *>(user_data))(seen) ? 0 : 1;
        } catch (...) {
            detail::thrown() = std::current_exception();
            return 1;
        }
    }
    std::unique_ptr<progress_fn> progress_; // outlives the handle, which is destroyed first
    detail::owner<cyto_context> handle_;
};

} // namespace cytosol

#endif
