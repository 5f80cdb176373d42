// Matrices in Python. Arrays come from files that anybody may have written: all is checked before it is used.
#include <nanobind/ndarray.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "bindings.h"
#include "block_matrix.h"
#include "dense_matrix.h"
#include "kernels.h"
#include "matrix_by_tokens.h"
#include "sparse_matrix.h"

namespace nb = nanobind;

namespace nmt_prune {
namespace {

using Array = nb::ndarray<nb::ro, nb::device::cpu>;
using Shape = std::pair<std::int64_t, std::int64_t>;

constexpr std::int64_t largest_side = std::int64_t{1} << 31;

[[noreturn]] void refuse(const char* name, const std::string& why) {
  throw std::invalid_argument(std::string(name) + ": " + why);
}

bool contiguous(const Array& array) {
  if (array.size() == 0) return true;
  std::int64_t stride = 1;
  for (std::size_t i = array.ndim(); i-- > 0; stride *= static_cast<std::int64_t>(array.shape(i)))
    if (array.shape(i) > 1 && array.stride(i) != stride) return false;
  return true;
}

template <class T>
const T* data_of(const char* name, const Array& array, std::size_t dimensions, const char* type) {
  if (array.dtype() != nb::dtype<T>()) refuse(name, std::string("must be ") + type);
  if (array.ndim() != dimensions) refuse(name, "must have " + std::to_string(dimensions) + " dimensions");
  if (!contiguous(array)) refuse(name, "must be contiguous");
  return static_cast<const T*>(array.data());
}

void check_side(const char* name, std::int64_t side) {
  if (side < 1 || side >= largest_side) refuse(name, "sides must be between 1 and 2^31 - 1");
}

const float* scales_of(const Array& array, std::int64_t rows) {
  const float* scales = data_of<float>("scales", array, 1, "float32");
  if (static_cast<std::int64_t>(array.size()) != rows) refuse("scales", "must have one number per row");
  for (std::int64_t row = 0; row < rows; ++row)
    if (!std::isfinite(scales[row])) refuse("scales", "not a finite number in row " + std::to_string(row));
  return scales;
}

constexpr nb::dlpack::dtype half{static_cast<std::uint8_t>(nb::dlpack::dtype_code::Float), 16, 1};

ValueType type_of(const Array& values) {
  if (values.dtype() == nb::dtype<float>()) return ValueType::float32;
  if (values.dtype() == half) return ValueType::float16;
  if (values.dtype() == nb::dtype<std::int8_t>()) return ValueType::int8;
  refuse("values", "must be float32, float16 or int8");
}

void check_rows(const CompressedRows& from, std::int64_t kept) {
  if (from.starts[0] != 0) refuse("starts", "must begin with 0");
  for (std::int64_t row = 0; row < from.rows; ++row)
    if (from.starts[row + 1] < from.starts[row] || from.starts[row + 1] > kept)
      refuse("starts", "must ascend up to the number of values, row " + std::to_string(row) + " does not");
  if (from.starts[from.rows] != kept) refuse("starts", "must end with the number of values");
  for (std::int64_t row = 0; row < from.rows; ++row) {
    for (std::int64_t i = from.starts[row]; i < from.starts[row + 1]; ++i) {
      if (from.indices[i] >= static_cast<std::uint64_t>(from.columns))
        refuse("columns", "out of range in row " + std::to_string(row));
      if (i > from.starts[row] && from.indices[i] <= from.indices[i - 1])
        refuse("columns", "must ascend within row " + std::to_string(row));
    }
  }
}

// Hands compressed sparse rows over to one of the forms of matrix.
std::unique_ptr<Matrix> from_rows(const Array& starts, const Array& columns, const Array& values,
                                  const nb::object& scales, Shape shape,
                                  std::unique_ptr<Matrix> (*make)(const CompressedRows&)) {
  check_side("shape", shape.first);
  check_side("shape", shape.second);
  CompressedRows from{};
  from.rows = shape.first;
  from.columns = shape.second;
  from.starts = data_of<std::int64_t>("starts", starts, 1, "int64");
  if (static_cast<std::int64_t>(starts.size()) != from.rows + 1) refuse("starts", "must have rows + 1 numbers");
  from.indices = data_of<std::uint32_t>("columns", columns, 1, "uint32");
  from.type = type_of(values);
  if (values.ndim() != 1 || !contiguous(values)) refuse("values", "must be contiguous, of one dimension");
  from.values = values.data();
  if (values.size() != columns.size()) refuse("values", "must be as many as columns");
  if ((from.type == ValueType::int8) == scales.is_none()) refuse("scales", "belong to int8 values and to no other");
  Array scale_array;
  if (!scales.is_none()) {
    if (!nb::try_cast(scales, scale_array)) refuse("scales", "must be a float32 array");
    from.scales = scales_of(scale_array, from.rows);
  }
  check_rows(from, static_cast<std::int64_t>(values.size()));
  nb::gil_scoped_release released;
  return make(from);
}

std::unique_ptr<Matrix> sparse(const Array& starts, const Array& columns, const Array& values, const nb::object& scales,
                               Shape shape) {
  return from_rows(starts, columns, values, scales, shape, sparse_matrix);
}

std::unique_ptr<Matrix> blocks(const Array& starts, const Array& columns, const Array& values, const nb::object& scales,
                               Shape shape) {
  if (type_of(values) != ValueType::int8) refuse("values", "must be int8");
  return from_rows(starts, columns, values, scales, shape, block_matrix);
}

std::unique_ptr<Matrix> dense(const Array& array) {
  const float* values = data_of<float>("array", array, 2, "float32");
  const auto rows = static_cast<std::int64_t>(array.shape(0)), columns = static_cast<std::int64_t>(array.shape(1));
  check_side("array", rows);
  check_side("array", columns);
  nb::gil_scoped_release released;
  return dense_matrix(values, rows, columns);
}

// Largest magnitude of each row becomes 127.
std::vector<std::int8_t> quantized(const float* values, std::int64_t rows, std::int64_t columns,
                                   std::vector<float>& scales) {
  std::vector<std::int8_t> result(static_cast<std::size_t>(rows * columns));
  for (std::int64_t row = 0; row < rows; ++row) {
    const float* from = values + row * columns;
    float largest = 0.0f;
    for (std::int64_t i = 0; i < columns; ++i) {
      if (!std::isfinite(from[i])) refuse("values", "not a finite number in row " + std::to_string(row));
      largest = std::max(largest, std::fabs(from[i]));
    }
    scales.push_back(largest / 127.0f);
    for (std::int64_t i = 0; i < columns && largest > 0.0f; ++i)
      result[static_cast<std::size_t>(row * columns + i)] =
          static_cast<std::int8_t>(std::nearbyint(from[i] * (127.0f / largest)));
  }
  return result;
}

std::unique_ptr<Matrix> dense_int8(const Array& values, const nb::object& scales) {
  if (values.ndim() != 2) refuse("values", "must have 2 dimensions");
  const auto rows = static_cast<std::int64_t>(values.shape(0)), columns = static_cast<std::int64_t>(values.shape(1));
  check_side("values", rows);
  check_side("values", columns);
  if (scales.is_none()) {
    const float* floats = data_of<float>("values", values, 2, "float32, or int8 with scales");
    std::vector<float> found;
    const std::vector<std::int8_t> bytes = quantized(floats, rows, columns, found);
    return dense_int8_matrix(bytes.data(), found.data(), rows, columns);
  }
  const std::int8_t* bytes = data_of<std::int8_t>("values", values, 2, "int8 where scales are given");
  Array scale_array;
  if (!nb::try_cast(scales, scale_array)) refuse("scales", "must be a float32 array");
  return dense_int8_matrix(bytes, scales_of(scale_array, rows), rows, columns);
}

std::unique_ptr<Matrix> by_tokens(const Matrix& few, std::int64_t limit, const Matrix& many) {
  if (few.rows() != many.rows() || few.columns() != many.columns()) refuse("many", "must have the shape of few");
  return matrix_by_tokens(few, limit, many);
}

using Floats2 = nb::ndarray<nb::numpy, float, nb::ndim<2>>;

Floats2 multiply(const Matrix& matrix, const Array& x, const nb::object& bias, bool relu) {
  const float* input = data_of<float>("x", x, 2, "float32");
  const auto tokens = static_cast<std::int64_t>(x.shape(0));
  if (static_cast<std::int64_t>(x.shape(1)) != matrix.columns())
    refuse("x", "must have " + std::to_string(matrix.columns()) + " columns");
  const float* shift = nullptr;
  Array bias_array;
  if (!bias.is_none()) {
    if (!nb::try_cast(bias, bias_array)) refuse("bias", "must be a float32 array");
    shift = data_of<float>("bias", bias_array, 1, "float32");
    if (static_cast<std::int64_t>(bias_array.size()) != matrix.rows()) refuse("bias", "must have one number per row");
  }
  float* output = new float[static_cast<std::size_t>(tokens * matrix.rows())];
  nb::capsule owner(output, [](void* memory) noexcept { delete[] static_cast<float*>(memory); });
  {
    nb::gil_scoped_release released;
    static thread_local Workspace workspace;
    matrix.multiply(input, tokens, shift, relu ? Activation::relu : Activation::none, output, workspace);
  }
  return Floats2(output, {static_cast<std::size_t>(tokens), static_cast<std::size_t>(matrix.rows())}, owner);
}

nb::ndarray<nb::numpy, float, nb::ndim<1>> row(const Matrix& matrix, std::int64_t index) {
  if (index < 0 || index >= matrix.rows()) throw nb::index_error("row out of range");
  float* output = new float[static_cast<std::size_t>(matrix.columns())];
  nb::capsule owner(output, [](void* memory) noexcept { delete[] static_cast<float*>(memory); });
  matrix.row(index, output);
  return nb::ndarray<nb::numpy, float, nb::ndim<1>>(output, {static_cast<std::size_t>(matrix.columns())}, owner);
}

std::unique_ptr<Matrix> select(const Matrix& matrix, const Array& rows, std::int64_t tokens) {
  const std::int32_t* chosen = data_of<std::int32_t>("rows", rows, 1, "int32");
  const std::vector<std::int32_t> list(chosen, chosen + rows.size());
  check_side("rows", static_cast<std::int64_t>(list.size()));
  for (const std::int32_t row : list)
    if (row < 0 || row >= matrix.rows()) refuse("rows", "there is no row " + std::to_string(row));
  return matrix.select(list, tokens);
}

std::vector<std::string> instruction_sets() {
  std::vector<std::string> names;
  for (const Kernels* available : available_kernels()) names.emplace_back(available->name);
  return names;
}

void use(const std::string& name) {
  if (!use_kernels(name.c_str())) refuse("name", "this CPU has no instruction set " + name);
}

}  // namespace

void bind_matrices(nb::module_& module) {
  using namespace nb::literals;
  nb::class_<Matrix>(module, "Matrix", "A weight of shape (outputs, inputs).")
      .def_static("sparse", &sparse, "starts"_a, "columns"_a, "values"_a, "scales"_a.none(), "shape"_a,
                  "From compressed sparse rows.")
      .def_static("blocks", &blocks, "starts"_a, "columns"_a, "values"_a, "scales"_a.none(), "shape"_a,
                  "From compressed sparse rows of int8: the blocks of 8 rows and 4 columns that are not empty.")
      .def_static("dense", &dense, "array"_a, "From a float32 array.")
      .def_static("dense_int8", &dense_int8, "values"_a, "scales"_a = nb::none(),
                  "From int8 values with a scale per row, or from float32 values, which are rounded.")
      .def_static("by_tokens", &by_tokens, "few"_a, "limit"_a, "many"_a, nb::keep_alive<0, 1>(), nb::keep_alive<0, 3>(),
                  "One weight in two forms: few multiplies up to limit tokens, many multiplies more.")
      .def("multiply", &multiply, "x"_a, "bias"_a = nb::none(), "relu"_a = false,
           "x (tokens, inputs) times the transposed weight, plus bias: (tokens, outputs).")
      .def("row", &row, "index"_a, "One row, as float32.")
      .def("select", &select, "rows"_a, "tokens"_a,
           "Some rows as a matrix of its own, in the same form or, of blocks, dense; for so many tokens at a time at most.")
      .def_prop_ro("shape", [](const Matrix& matrix) { return nb::make_tuple(matrix.rows(), matrix.columns()); })
      .def_prop_ro("format", &Matrix::format)
      .def_prop_ro("nbytes", &Matrix::nbytes)
      .def("bytes_read", &Matrix::bytes_read, "tokens"_a, "What a product with so many tokens reads of them.");
  module.def("instruction_sets", &instruction_sets, "Those that this CPU has, the best first, portable last.");
  module.def("instruction_set", [] { return kernels().name; }, "The one in use.");
  module.def("use", &use, "name"_a, "Runs another instruction set from now on: for tests and measurements.");
}

}  // namespace nmt_prune
