/* Arrays and tables that the library lends. Included by cytosol.hpp, whose rules hold. */
#ifndef CYTOSOL_ARRAYS_HPP
#define CYTOSOL_ARRAYS_HPP

#include <cstddef>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "error.hpp"

namespace cytosol {

/// Elements on loan, or of a vector that you pass in.
template <class T>
class span {
public:
    span() = default;
    span(const T *data, std::size_t size) : data_(data), size_(size) {}
    span(const std::vector<T> &from) : span(from.data(), from.size()) {}
    const T *data() const noexcept { return data_; }
    std::size_t size() const noexcept { return size_; }
    bool empty() const noexcept { return size_ == 0; }
    const T &operator[](std::size_t i) const noexcept { return data_[i]; }
    const T &at(std::size_t i) const {
        if (i >= size_) throw std::out_of_range("cytosol::span::at");
        return data_[i];
    }
    const T *begin() const noexcept { return data_; }
    const T *end() const noexcept { return data_ + size_; }

private:
    const T *data_ = nullptr;
    std::size_t size_ = 0;
};

/// A matrix on loan, row-major.
template <class T>
class matrix_span {
public:
    matrix_span() = default;
    matrix_span(const T *data, std::size_t rows, std::size_t columns, std::size_t stride)
        : data_(data), rows_(rows), columns_(columns), stride_(stride) {}
    std::size_t rows() const noexcept { return rows_; }
    std::size_t columns() const noexcept { return columns_; }
    const T *data() const noexcept { return data_; }
    /// Elements from one row to the next.
    std::size_t stride() const noexcept { return stride_; }
    span<T> operator[](std::size_t row) const noexcept { return {data_ + row * stride_, columns_}; }
    const T &operator()(std::size_t row, std::size_t column) const noexcept {
        return data_[row * stride_ + column];
    }

private:
    const T *data_ = nullptr;
    std::size_t rows_ = 0, columns_ = 0, stride_ = 0;
};

namespace detail {

/// The array that `f(&array, &err)` lends, which must hold elements of type T.
template <class T, class F>
cyto_array lend(const std::string &name, F &&f) {
    cyto_array array = CYTO_ARRAY_INIT;
    call([&](cyto_error **err) { return f(c_str("name", name), &array, err); });
    if (array.dtype != dtype_of<T>())
        throw invalid_argument("name: array \"" + name + "\" holds elements of another type (" +
                               std::to_string(array.dtype) + ", a cyto_dtype)");
    return array;
}

} // namespace detail

/// What has arrays by name; Derived::lend_array calls the C function.
template <class Derived>
class has_arrays {
public:
    /// An array with one element a row, for example array<double>("n_umi"). Throws not_found for an array that
    /// is not there (yet), invalid_argument for an unknown name or another element type.
    template <class T>
    span<T> array(const std::string &name) const {
        const cyto_array a = get<T>(name);
        if (a.n_columns != 1 && a.n_rows != 0)
            throw cytosol::invalid_argument("name: array \"" + name + "\" is a matrix");
        return {static_cast<const T *>(a.data), a.n_rows};
    }
    /// An array with several columns, for example matrix<double>("weights").
    template <class T>
    matrix_span<T> matrix(const std::string &name) const {
        const cyto_array a = get<T>(name);
        return {static_cast<const T *>(a.data), a.n_rows, a.n_columns, a.row_stride};
    }
    /// A list of texts, copied.
    std::vector<std::string> texts(const std::string &name) const {
        const span<const char *> list = array<const char *>(name);
        return std::vector<std::string>(list.begin(), list.end());
    }

private:
    template <class T>
    cyto_array get(const std::string &name) const {
        return detail::lend<T>(name, [&](const char *n, cyto_array *out, cyto_error **err) {
            return static_cast<const Derived *>(this)->lend_array(n, out, err);
        });
    }
};

/// A table as an Arrow C stream, released when it goes; release_to() hands it to an Arrow library.
class arrow_stream {
public:
    explicit arrow_stream(const ArrowArrayStream &taken) noexcept : stream_(taken) {}
    arrow_stream(arrow_stream &&other) noexcept
        : stream_(std::exchange(other.stream_, ArrowArrayStream{})) {}
    arrow_stream &operator=(arrow_stream &&other) noexcept {
        std::swap(stream_, other.stream_);
        return *this;
    }
    ~arrow_stream() {
        if (stream_.release != nullptr) stream_.release(&stream_);
    }
    ArrowArrayStream *get() noexcept { return &stream_; }
    /// Moves the stream into a struct of the caller, who then releases it.
    void release_to(ArrowArrayStream *out) noexcept {
        *out = std::exchange(stream_, ArrowArrayStream{});
    }

private:
    ArrowArrayStream stream_;
};

} // namespace cytosol

#endif
