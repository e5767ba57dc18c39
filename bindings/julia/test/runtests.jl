# Run with: CYTO_LIBRARY=.../libcytosol.so julia --project=bindings/julia bindings/julia/test/runtests.jl
include("common.jl")

const HERE = @__DIR__

# A test file in a Julia of its own.
function child(script, flags...; environment...)
    command = `$(Base.julia_cmd()) $flags --project=$(dirname(HERE)) $(joinpath(HERE, script))`
    changed = Dict(string(name) => value for (name, value) in environment)
    return setenv(command, merge(Dict{String,String}(ENV), changed))
end

@testset "Cytosol" begin
    include("steps.jl")
    include("inputs.jl")
    include("callbacks.jl")
    include("edge.jl")
    include("shards.jl")
    include("preprocess.jl")
    include("deseq.jl")
end
