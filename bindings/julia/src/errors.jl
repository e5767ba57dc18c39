# Failures of the library as exceptions, one type a status code.

"""
Supertype of everything that the library refuses. Fields of its subtypes: `message`, one line that says where,
what is wrong and what would be right; `detail`, a JSON object with what is known of the place (`argument`, `file`,
`gene`, `row`, `column`, ...).

Subtypes: `InvalidArgument`, `Cancelled`, `NoGpu`, `OutOfMemory`, `IoError`, `FormatError`, `NotConverged`,
`Unsupported`, `StateError`, `CheckpointMismatch`, `AbiMismatch`, `CallbackError`, `InvalidData`, `NotFound`,
`LibraryPanic`. An exception of a callback is thrown as it is.
"""
abstract type CytosolError <: Exception end

const KINDS = Dict{Int32,DataType}()

for (name, code, text) in (
    (:InvalidArgument, 1, "An argument or option is outside its range, or arguments do not fit each other."),
    (:Cancelled, 2, "The progress callback or [`cancel!`](@ref) stopped the work."),
    (:NoGpu, 3, "The asked device is absent."),
    (:OutOfMemory, 4, "Memory could not be had, or the limit does not allow it."),
    (:IoError, 5, "The operating system refused a read or a write."),
    (:FormatError, 6, "A file or a block of bytes is damaged or of an unknown layout."),
    (:NotConverged, 7, "An iteration ended without converging."),
    (:Unsupported, 8, "Understood, but not supported."),
    (:StateError, 9, "A handle is in use or poisoned, or the steps came in the wrong order."),
    (:CheckpointMismatch, 10, "A partial result belongs to other inputs or other options."),
    (:AbiMismatch, 11, "Package and library were built for different versions of the C interface."),
    (:CallbackError, 12, "A callback of the host failed."),
    (:InvalidData, 13, "The data can be read but not used: negative counts, NaN, no common genes."),
    (:NotFound, 14, "A file, key, column, gene or cell type does not exist."),
    (:LibraryPanic, 99, "A bug of the library. The context stays usable."),
)
    @eval begin
        struct $name <: CytosolError
            message::String
            detail::String
        end
        @doc $("    $name <: CytosolError\n\n$text") $name
        KINDS[$code] = $name
    end
end

# A fault that this package sees before the library does.
refuse(argument, what) =
    throw(InvalidArgument("$argument: $what", "{\"argument\":$(json(string(argument)))}"))

Base.showerror(io::IO, e::CytosolError) = print(io, nameof(typeof(e)), ": ", e.message)

# The exception of a failed call; frees the error object.
function take_error(status::Int32, err::Ptr{Cvoid})
    message = unsafe_string(ccall(sym(:cyto_error_message), Cstring, (Ptr{Cvoid},), err))
    detail = unsafe_string(ccall(sym(:cyto_error_detail_json), Cstring, (Ptr{Cvoid},), err))
    ccall(sym(:cyto_error_free), Cvoid, (Ptr{Cvoid},), err)
    return get(KINDS, status, LibraryPanic)(message, detail)
end
