# Threads, seed, memory, progress and cancel.

struct CContextOptions
    struct_size::Csize_t
    threads::Int32
    progress_interval_ms::UInt32
    seed::UInt64
    memory_limit_bytes::UInt64
    device::Ptr{UInt8}
end

struct CProgress
    struct_size::Csize_t
    done::UInt64
    total::UInt64
    elapsed_s::Float64
    stage::Cstring
    message::Cstring
end

"""
A moment of a long job: `done` of `total` items (0: not known beforehand) of a `stage`, for example "fit_pixels",
which began `elapsed_s` seconds ago; `message` for people, often empty.
"""
struct Progress
    done::Int
    total::Int
    elapsed_s::Float64
    stage::String
    message::String
end

# What the library gives back to the trampoline.
mutable struct ProgressState
    callback::Any
end

const ON_PROGRESS = Ref{Ptr{Cvoid}}(C_NULL)
const ON_READ_BLOCK = Ref{Ptr{Cvoid}}(C_NULL)

# Runs on the thread that made the call. Nothing may be thrown through the library's frames: what the callback
# throws, and Ctrl-C, is stored and comes out of the call.
function on_progress(user_data::Ptr{Cvoid}, progress::Ptr{CProgress})::Int32
    try
        state = unsafe_pointer_to_objref(user_data)::ProgressState
        # Also without a callback: here Ctrl-C is heard.
        return Base.reenable_sigint() do
            state.callback === nothing && return Int32(0)
            p = unsafe_load(progress)
            seen = Progress(p.done, p.total, p.elapsed_s, unsafe_string(p.stage), unsafe_string(p.message))
            return state.callback(seen) === false ? Int32(1) : Int32(0)
        end
    catch e
        THROWN[Threads.threadid()] = e
        return Int32(1)
    end
end

"""
    Context(; threads = 0, seed = 1, memory_limit_bytes = 0, device = "cpu", progress = nothing,
            progress_interval_ms = 100)
    Context(f; ...)

Threads, seed, memory limit, device, progress and cancel of the calls it is given to; with a function `f`, passes the
context to it and closes it afterwards.

- `threads`: worker threads; 0 = as many as the process may use. Results never depend on it.
- `seed`: seed of every random draw (an integer, 0 to 2^64 - 1).
- `memory_limit_bytes`: bytes that blocks and caches may use; 0 = 80 % of the memory the process may use.
- `device`: "cpu", "auto" or "cuda".
- `progress`, `progress_interval_ms`: see [`set_progress!`](@ref).

One call at a time: a second one, on another thread or from inside a callback, throws [`StateError`](@ref).
Ctrl-C stops a running call within `progress_interval_ms`.
"""
function Context(; threads::Integer = 0, seed::Integer = 1, memory_limit_bytes::Integer = 0,
                 device::AbstractString = "cpu", progress = nothing, progress_interval_ms::Integer = 100)
    device = c_text("device", device)
    options = Ref(CContextOptions(
        sizeof(CContextOptions), integer(Int32, "threads", threads),
        integer(UInt32, "progress_interval_ms", progress_interval_ms), integer(UInt64, "seed", seed),
        integer(UInt64, "memory_limit_bytes", memory_limit_bytes), pointer(device)))
    ctx = GC.@preserve device make(Context, ProgressState(nothing)) do out, err
        ccall(sym(:cyto_context_new), Int32, (Ptr{CContextOptions}, Ptr{Ptr{Cvoid}}, Ptr{Ptr{Cvoid}}),
              options, out, err)
    end
    set_progress!(ctx, progress)
    return ctx
end

function Context(f; options...)
    ctx = Context(; options...)
    try
        return f(ctx)
    finally
        close(ctx)
    end
end

function integer(::Type{T}, argument, value::Integer) where {T}
    typemin(T) <= value <= typemax(T) ||
        refuse(argument, "$value; must be from $(typemin(T)) to $(typemax(T))")
    return T(value)
end

"""
    set_progress!(ctx, callback)

Sets what hears of the progress of later calls: `callback(p::Progress)` on the thread that made the call, once at the
start and the end of each stage and at most once per `progress_interval_ms` between. When it returns `false` the call
stops with [`Cancelled`](@ref); when it throws, the call stops and throws the same. `nothing` removes it.
"""
function set_progress!(ctx::Context, callback)
    state = ProgressState(callback)
    lend(ctx) do ptr
        fallible() do err
            ccall(sym(:cyto_context_set_progress), Int32,
                  (Ptr{Cvoid}, Ptr{Cvoid}, Ptr{Cvoid}, Ptr{Ptr{Cvoid}}),
                  ptr, ON_PROGRESS[], pointer_from_objref(state), err)
        end
        ctx.keep = state
    end
    return ctx
end

set_progress!(callback, ctx::Context) = set_progress!(ctx, callback)

"""
    cancel!(ctx)

Asks the call that runs on `ctx` to stop; it throws [`Cancelled`](@ref). From any thread, also from inside the
progress callback. Without a running call nothing happens.
"""
function cancel!(ctx::Context)
    lend(ptr -> ccall(sym(:cyto_context_cancel), Cvoid, (Ptr{Cvoid},), ptr), ctx)
    return nothing
end

"Worker threads of a context."
threads(ctx::Context) = lend(ptr -> Int(ccall(sym(:cyto_context_threads), Int32, (Ptr{Cvoid},), ptr)), ctx)

# One line that describes an open handle.
function Base.show(io::IO, handle::T) where {T<:Handle}
    isopen(handle) || return print(io, nameof(T), " (closed)")
    describe(io, handle)
end

describe(io, handle::T) where {T<:Handle} = print(io, nameof(T))
describe(io, ctx::Context) = print(io, "Context (threads: ", threads(ctx), ")")
