#include "dense_matrix.h"

#include <algorithm>
#include <cstring>

#include "kernels.h"

namespace nmt_prune {
namespace {

std::int64_t panels_of(std::int64_t rows) { return (rows + panel_rows - 1) / panel_rows; }

class DenseMatrix final : public Matrix {
 public:
  DenseMatrix(const float* values, std::int64_t rows, std::int64_t columns)
      : Matrix(rows, columns), values_(static_cast<std::size_t>(panels_of(rows) * panel_rows * columns)) {
    std::fill_n(values_.data(), values_.size(), 0.0f);
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

  const char* format() const override { return "dense float32"; }
  std::size_t nbytes() const override { return values_.bytes(); }

 private:
  std::size_t place(std::int64_t row, std::int64_t column) const {
    return static_cast<std::size_t>((row / panel_rows * columns() + column) * panel_rows + row % panel_rows);
  }

  Aligned<float> values_;
};

class DenseInt8Matrix final : public Matrix {
 public:
  DenseInt8Matrix(const std::int8_t* values, const float* scales, std::int64_t rows, std::int64_t columns)
      : Matrix(rows, columns),
        columns4_((columns + 3) / 4),
        values_(static_cast<std::size_t>(panels_of(rows) * panel_rows * columns4_ * 4)),
        scales_(static_cast<std::size_t>(panels_of(rows) * panel_rows)) {
    std::memset(values_.data(), zero, values_.bytes());
    std::fill_n(scales_.data(), scales_.size(), 0.0f);
    std::copy_n(scales, rows, scales_.data());
    for (std::int64_t row = 0; row < rows; ++row)
      for (std::int64_t column = 0; column < columns; ++column)
        values_[place(row, column)] = static_cast<std::uint8_t>(values[row * columns + column] + zero);
  }

  void multiply(const float* input, std::int64_t tokens, const float* bias, Activation activation, float* output,
                Workspace& workspace) const override {
    const Kernels& run = kernels();
    const std::size_t count = static_cast<std::size_t>(tokens);
    std::int16_t* quantized = workspace.words.grow(count * columns4_ * 4);
    float* scales = workspace.scales.grow(count);
    std::int32_t* offsets = workspace.offsets.grow(count);
    run.quantize(input, tokens, columns(), columns4_, quantized, scales, offsets);
    run.dense_int8({rows(), columns(), columns4_, panels_of(rows()), values_.data(), scales_.data()}, quantized, scales,
                   offsets, tokens, bias, activation == Activation::relu, output);
  }

  void row(std::int64_t index, float* output) const override {
    for (std::int64_t column = 0; column < columns(); ++column)
      output[column] = static_cast<float>(values_[place(index, column)] - zero) * scales_[index];
  }

  const char* format() const override { return "dense int8"; }
  std::size_t nbytes() const override { return values_.bytes() + scales_.bytes(); }

 private:
  static constexpr int zero = 128;

  std::size_t place(std::int64_t row, std::int64_t column) const {
    const std::int64_t four = row / panel_rows * columns4_ + column / 4;
    return static_cast<std::size_t>((four * panel_rows + row % panel_rows) * 4 + column % 4);
  }

  std::int64_t columns4_;
  Aligned<std::uint8_t> values_;
  Aligned<float> scales_;
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
