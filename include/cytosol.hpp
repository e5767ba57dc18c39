/*
 * cytosol.hpp - Cytosol for C++17: cytosol.h with owners, exceptions and views whose sizes are checked.
 *
 * Every step of the C interface, and nothing that a C host could not do. Rules that hold throughout:
 *
 * - Objects own their handle and move; a moved-from object is empty, and using it is invalid_argument.
 *   They may be destroyed in any order.
 * - A failure is an exception of the class of its kind (cancelled, not_found, ...), all derived from
 *   cytosol::error, which carries the one-line message, the code and a JSON detail.
 * - An exception thrown by a callback of yours stops the job and comes out of the call that ran it.
 * - span<T> is on loan: valid while the object that it came from lives. Matrices are row-major.
 * - One call at a time on a context; const objects may be read from several threads.
 *
 * Shapes: N pixels, K cell types. All arrays by name are listed in cytosol.h. Link with -lcytosol.
 */
#ifndef CYTOSOL_HPP
#define CYTOSOL_HPP

#include "cytosol/error.hpp"
#include "cytosol/arrays.hpp"
#include "cytosol/context.hpp"
#include "cytosol/counts.hpp"
#include "cytosol/rctd.hpp"
#include "cytosol/preprocess.hpp"

#endif
