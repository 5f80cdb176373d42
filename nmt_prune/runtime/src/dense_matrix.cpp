#include "dense_matrix.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "kernels.h"

namespace nmt_prune {
namespace {

std::int64_t panels_of(std::int64_t rows) { return (rows + panel_rows - 1) / panel_rows; }

// Rows of panels become rows of other panels; T is what a row has in one place.
template <class T>
void gather(const T* from, const std::vector<std::int32_t>& rows, std::int64_t places, T* to) {
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const T* source = from + rows[i] / panel_rows * places * panel_rows + rows[i] % panel_rows;
    T* target = to + static_cast<std::int64_t>(i) / panel_rows * places * panel_rows + i % panel_rows;
    for (std::int64_t place = 0; place < places; ++place) target[place * panel_rows] = source[place * panel_rows];
  }
}

class DenseMatrix final : public Matrix {
 public:
  DenseMatrix(const float* values, std::int64_t rows, std::int64_t columns) : DenseMatrix(rows, columns) {
    for (std::int64_t row = 0; row < rows; ++row)
      for (std::int64_t column = 0; column < columns; ++column)
        values_[place(row, column)] = values[row * columns + column];
  }

  void multiply(const float* input, std::int64_t tokens, const float* bias, Activation activation, float* output,
                Workspace&) const override {
    kernels().dense({rows(), columns(), panels_of(rows()), values_.data()}, input, tokens, bias,
                    activation == Activation::relu, output);
  }

  void row(std::int64_t index, float* output) const override {
    for (std::int64_t column = 0; column < columns(); ++column) output[column] = values_[place(index, column)];
  }

  std::unique_ptr<Matrix> select(const std::vector<std::int32_t>& rows, std::int64_t) const override {
    std::unique_ptr<DenseMatrix> selected(new DenseMatrix(static_cast<std::int64_t>(rows.size()), columns()));
    gather(values_.data(), rows, columns(), selected->values_.data());
    return selected;
  }

  const char* format() const override { return "dense float32"; }
  std::size_t nbytes() const override { return values_.bytes(); }

 private:
  DenseMatrix(std::int64_t rows, std::int64_t columns)
      : Matrix(rows, columns), values_(static_cast<std::size_t>(panels_of(rows) * panel_rows * columns)) {
    std::fill_n(values_.data(), values_.size(), 0.0f);
  }

  std::size_t place(std::int64_t row, std::int64_t column) const {
    return static_cast<std::size_t>((row / panel_rows * columns() + column) * panel_rows + row % panel_rows);
  }

  Aligned<float> values_;
};

class DenseInt8Matrix final : public Matrix {
 public:
  DenseInt8Matrix(const std::int8_t* values, const float* scales, std::int64_t rows, std::int64_t columns)
      : DenseInt8Matrix(rows, columns) {
    std::copy_n(scales, rows, scales_.data());
    for (std::int64_t row = 0; row < rows; ++row, values += columns) {
      for (std::int64_t column = 0; column < columns; ++column) values_[place(row, column)] = values[column];
      totals_[row] = std::accumulate(values, values + columns, 0);
    }
  }

  void multiply(const float* input, std::int64_t tokens, const float* bias, Activation activation, float* output,
                Workspace& workspace) const override {
    const Kernels& run = kernels();
    const std::size_t count = static_cast<std::size_t>(tokens);
    std::int16_t* quantized = workspace.words.grow(count * columns4_ * 4);
    float* scales = workspace.scales.grow(count);
    run.quantize(input, tokens, columns(), columns4_, run.dense_int8_most, quantized, scales);
    run.dense_int8({rows(), columns(), columns4_, panels_of(rows()), values_.data(), scales_.data(), totals_.data()},
                   quantized, scales, tokens, bias, activation == Activation::relu, output);
  }

  void row(std::int64_t index, float* output) const override {
    const std::int8_t* from = values_.data() + place(index, 0);
    for (std::int64_t first = 0; first < columns(); first += 4, from += panel_rows * 4)
      for (std::int64_t i = 0; i < 4 && first + i < columns(); ++i) output[first + i] = from[i] * scales_[index];
  }

  std::unique_ptr<Matrix> select(const std::vector<std::int32_t>& rows, std::int64_t) const override {
    std::unique_ptr<DenseInt8Matrix> selected(new DenseInt8Matrix(static_cast<std::int64_t>(rows.size()), columns()));
    gather(reinterpret_cast<const Four*>(values_.data()), rows, columns4_,
           reinterpret_cast<Four*>(selected->values_.data()));
    for (std::size_t i = 0; i < rows.size(); ++i) {
      selected->scales_[i] = scales_[rows[i]];
      selected->totals_[i] = totals_[rows[i]];
    }
    return selected;
  }

  const char* format() const override { return "dense int8"; }
  std::size_t nbytes() const override { return values_.bytes() + scales_.bytes() + totals_.bytes(); }

 private:
  struct Four {
    std::int8_t bytes[4];
  };

  DenseInt8Matrix(std::int64_t rows, std::int64_t columns)
      : Matrix(rows, columns),
        columns4_((columns + 3) / 4),
        values_(static_cast<std::size_t>(panels_of(rows) * panel_rows * columns4_ * 4)),
        scales_(static_cast<std::size_t>(panels_of(rows) * panel_rows)),
        totals_(scales_.size()) {
    std::memset(values_.data(), 0, values_.bytes());
    std::memset(scales_.data(), 0, scales_.bytes());
    std::memset(totals_.data(), 0, totals_.bytes());
  }

  std::size_t place(std::int64_t row, std::int64_t column) const {
    const std::int64_t four = row / panel_rows * columns4_ + column / 4;
    return static_cast<std::size_t>((four * panel_rows + row % panel_rows) * 4 + column % 4);
  }

  std::int64_t columns4_;
  Aligned<std::int8_t> values_;
  Aligned<float> scales_;
  Aligned<std::int32_t> totals_;
};

}  // namespace

std::unique_ptr<Matrix> dense_matrix(const float* values, std::int64_t rows, std::int64_t columns) {
  return std::make_unique<DenseMatrix>(values, rows, columns);
}

std::unique_ptr<Matrix> dense_int8_matrix(const std::int8_t* values, const float* scales, std::int64_t rows,
                                          std::int64_t columns) {
  return std::make_unique<DenseInt8Matrix>(values, scales, rows, columns);
}

}  // namespace nmt_prune
