# Objects of the library: owned, freed once, never while a call uses them.

"""
Supertype of what the library holds for Julia. Freed by the garbage collector, or at once by `close(x)`; using a
closed one is an [`InvalidArgument`](@ref). `isopen(x)` asks. A handle in use by a running call cannot be closed.
"""
abstract type Handle end

for (name, free) in (
    (:Context, :cyto_context_free), (:Counts, :cyto_matrix_free), (:Dataset, :cyto_dataset_free),
    (:Reference, :cyto_reference_free), (:Spatial, :cyto_spatial_free),
    (:RctdOptions, :cyto_rctd_options_free), (:Rctd, :cyto_rctd_free),
    (:RctdResults, :cyto_rctd_results_free), (:Plan, :cyto_plan_free),
    (:PpResult, :cyto_pp_result_free), (:Partial, :cyto_partial_free),
    (:DeseqSamples, :cyto_deseq_samples_free), (:Deseq, :cyto_deseq_free), (:DeseqResults, :cyto_deseq_results_free),
    (:DeseqTransformed, :cyto_deseq_transformed_free), (:DeseqUnmixed, :cyto_deseq_unmixed_free),
)
    @eval begin
        mutable struct $name <: Handle
            ptr::Ptr{Cvoid}
            users::Threads.Atomic{Int}
            # What the library points into, alive as long as this: arrays of counts, callbacks.
            keep::Any
            # Built by `own` only.
            function $name(ptr::Ptr{Cvoid}, keep, ::Val{:own})
                handle = new(ptr, Threads.Atomic{Int}(0), keep)
                finalizer(close, handle)
                return handle
            end
        end
        free_function(::Type{$name}) = $(QuoteNode(free))
    end
end

own(::Type{T}, ptr::Ptr{Cvoid}, keep = nothing) where {T<:Handle} = T(ptr, keep, Val(:own))

Base.isopen(handle::Handle) = handle.ptr != C_NULL

function Base.close(handle::T) where {T<:Handle}
    handle.users[] == 0 || throw(StateError("$(nameof(T)): in use by a running call; close it afterwards", "{}"))
    ptr, handle.ptr = handle.ptr, C_NULL
    ptr == C_NULL || ccall(sym(free_function(T)), Cvoid, (Ptr{Cvoid},), ptr)
    handle.keep = nothing
    return nothing
end

# The pointer of an open handle.
function pointer_of(handle::T) where {T<:Handle}
    handle.ptr == C_NULL && refuse(nameof(T), "closed; must be open")
    return handle.ptr
end

# Runs f(pointers...) while the handles can be neither closed nor collected.
function lend(f, handles::Handle...)
    pointers = map(pointer_of, handles)
    foreach(h -> Threads.atomic_add!(h.users, 1), handles)
    try
        return GC.@preserve handles f(pointers...)
    finally
        foreach(h -> Threads.atomic_sub!(h.users, 1), handles)
    end
end

# What a callback threw during the call that runs on a thread.
const THROWN = Any[]

# Runs f(err)::Int32, a call that can fail. Ctrl-C waits for the next progress callback, which is Julia code.
function fallible(f)
    err = Ref{Ptr{Cvoid}}(C_NULL)
    thread = Threads.threadid()
    outer, THROWN[thread] = THROWN[thread], nothing
    status = Base.disable_sigint(() -> f(err)::Int32)
    inner, THROWN[thread] = THROWN[thread], outer
    failure = status == 0 ? nothing : take_error(status, err[])
    inner === nothing || throw(inner)
    failure === nothing || throw(failure)
    return nothing
end

# Runs f(out, err)::Int32, a call that makes a handle.
function make(f, ::Type{T}, keep = nothing) where {T<:Handle}
    out = Ref{Ptr{Cvoid}}(C_NULL)
    try
        fallible(err -> f(out, err))
    catch
        out[] == C_NULL || close(own(T, out[]))
        rethrow()
    end
    return own(T, out[], keep)
end

# ---- strings and lists for C ----

# A string that C can read; the caller preserves it.
function c_text(argument, text::AbstractString)
    text = String(text)
    occursin('\0', text) && refuse(argument, "holds a NUL character")
    return text
end

c_texts(argument, list) = String[c_text("$argument[$i]", text) for (i, text) in enumerate(list)]

pointers(list::Vector{String}) = Ptr{UInt8}[pointer(text) for text in list]

pointer_or_null(::Nothing) = Ptr{UInt8}(C_NULL)
pointer_or_null(text::String) = pointer(text)

# ---- JSON of options ----

json(::Nothing) = "null"
json(x::Bool) = x ? "true" : "false"
json(x::Integer) = string(x)
json(x::AbstractFloat) = isfinite(x) ? string(Float64(x)) : refuse("value", "$x; must be a finite number")
json(x::Union{AbstractVector,Tuple}) = string("[", join(map(json, x), ","), "]")
json(x::Pair) = json((x.first, x.second))
json(x::AbstractDict) = json(sort!([string(k) => v for (k, v) in x]; by = first))
json(x::Symbol) = json(string(x))
json(x::AbstractString) = string('"', join(escaped(c) for c in x), '"')

function escaped(c::Char)
    (c == '"' || c == '\\') && return string('\\', c)
    return c < ' ' ? string("\\u", lpad(string(UInt32(c); base = 16), 4, '0')) : string(c)
end
