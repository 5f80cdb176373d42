// The weights of a linear layer, in one of several forms.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "aligned.h"

namespace nmt_prune {

enum class Activation { none, relu };

// Scratch memory of one thread, grown on demand, reused.
struct Workspace {
  Aligned<float> inputs;        // activations, transposed
  Aligned<float> outputs;       // sums of one window of rows
  Aligned<std::int16_t> words;  // quantized activations
  Aligned<std::uint8_t> bytes;  // the same, of sparse weights
  Aligned<float> scales;        // of quantized activations
};

// A weight of shape (rows = outputs, columns = inputs), read only, shared by threads.
class Matrix {
 public:
  virtual ~Matrix() = default;
  Matrix(const Matrix&) = delete;
  Matrix& operator=(const Matrix&) = delete;

  std::int64_t rows() const { return rows_; }
  std::int64_t columns() const { return columns_; }

  // output[t][r] = activation(sum_c weight[r][c] * input[t][c] + bias[r]); input tokens x columns, output tokens x
  // rows, row-major; bias may be null.
  virtual void multiply(const float* input, std::int64_t tokens, const float* bias, Activation activation,
                        float* output, Workspace& workspace) const = 0;

  // One row as floats: an embedding.
  virtual void row(std::int64_t index, float* output) const = 0;

  // Some rows as a matrix of its own, in the same form or, of blocks, dense. tokens: the most that it will be multiplied
  // with.
  virtual std::unique_ptr<Matrix> select(const std::vector<std::int32_t>& rows, std::int64_t tokens) const = 0;

  virtual const char* format() const = 0;
  virtual std::size_t nbytes() const = 0;
  // What a product with so many tokens reads of them.
  virtual std::size_t bytes_read(std::int64_t) const { return nbytes(); }

 protected:
  Matrix(std::int64_t rows, std::int64_t columns) : rows_(rows), columns_(columns) {}

 private:
  std::int64_t rows_, columns_;
};

}  // namespace nmt_prune
