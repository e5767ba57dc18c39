using Cytosol
