#include "dense_matrix.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <numeric>

#include "kernels.h"
#include "pairs.h"

namespace nmt_prune {
namespace {

std::int64_t panels_of(std::int64_t rows) { return (rows + panel_rows - 1) / panel_rows; }

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
    for (std::size_t i = 0; i < rows.size(); ++i)
      for (std::int64_t column = 0; column < columns(); ++column)
        selected->values_[place(static_cast<std::int64_t>(i), column)] = values_[place(rows[i], column)];
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
  DenseInt8Matrix(const std::int8_t* values, const float* scales, std::int64_t rows, std::int64_t columns,
                  std::int64_t tokens)
      : DenseInt8Matrix(rows, columns) {
    std::copy_n(scales, rows, scales_.data());
    for (std::int64_t row = 0; row < rows; ++row, values += columns) {
      for (std::int64_t column = 0; column < columns; column += 4)
        std::memcpy(&values_[place(row, column)], values + column, std::min<std::int64_t>(columns - column, 4));
      totals_[row] = std::accumulate(values, values + columns, 0);
    }
    // To find them takes as long as some hundred products, of which they save a quarter.
    const bool is_worth_it = tokens >= 32 && columns4_ <= std::numeric_limits<std::uint16_t>::max();
    if (kernels().adds_pairs && is_worth_it) find_pairs();
  }

  void multiply(const float* input, std::int64_t tokens, const float* bias, Activation activation, float* output,
                Workspace& workspace) const override {
    const Kernels& run = kernels();
    const std::size_t count = static_cast<std::size_t>(tokens);
    std::int16_t* quantized = workspace.words.grow(count * columns4_ * 4);
    float* scales = workspace.scales.grow(count);
    run.quantize(input, tokens, columns(), columns4_, run.dense_int8.most(tokens), quantized, scales);
    run.dense_int8.multiply({rows(), columns(), columns4_, panels_of(rows()), values_.data(), scales_.data(),
                             totals_.data(), fours_.data(), paired_.data()},
                            quantized, scales, tokens, bias, activation == Activation::relu, output);
  }

  void row(std::int64_t index, float* output) const override {
    const std::uint16_t* fours = fours_of(index);
    for (std::int64_t i = 0; i < columns4_; ++i) {
      const std::int64_t first = (fours ? fours[2 * i] : i) * 4;
      const std::int8_t* from = values_.data() + place(index, i * 4);
      for (std::int64_t j = 0; j < 4 && first + j < columns(); ++j) output[first + j] = from[j] * scales_[index];
    }
  }

  std::unique_ptr<Matrix> select(const std::vector<std::int32_t>& rows, std::int64_t) const override {
    std::unique_ptr<DenseInt8Matrix> selected(new DenseInt8Matrix(static_cast<std::int64_t>(rows.size()), columns()));
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const std::int8_t* from = values_.data() + place(rows[i], 0);
      std::int8_t* to = selected->values_.data() + place(static_cast<std::int64_t>(i), 0);
      const std::uint16_t* fours = fours_of(rows[i]);
      for (std::int64_t j = 0; j < columns4_; ++j, from += panel_rows * 4)
        std::memcpy(to + (fours ? fours[2 * j] : j) * panel_rows * 4, from, 4);
      selected->scales_[i] = scales_[rows[i]];
      selected->totals_[i] = totals_[rows[i]];
    }
    return selected;
  }

  const char* format() const override { return "dense int8"; }
  std::size_t nbytes() const override {
    return values_.bytes() + scales_.bytes() + totals_.bytes() + fours_.bytes() + paired_.bytes();
  }

 private:
  struct HalfPlace {  // what half of the rows of a panel have in one place; the other half follows
    std::int8_t bytes[half_rows * 4];
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

  // Every other one is of the row's half; null where they are in their natural order.
  const std::uint16_t* fours_of(std::int64_t row) const {
    return fours_.data() ? fours_.data() + row / panel_rows * columns4_ * 2 + row % panel_rows / half_rows : nullptr;
  }

  HalfPlace* half_at(std::int64_t half) {
    return reinterpret_cast<HalfPlace*>(values_.data()) + half / 2 * columns4_ * 2 + half % 2;
  }

  // Orders the fours of each half of a panel.
  void find_pairs() {
    fours_.grow(static_cast<std::size_t>(panels_of(rows()) * columns4_ * 2));
    paired_.grow(static_cast<std::size_t>(panels_of(rows()) * 2));
    std::vector<HalfPlace> natural(static_cast<std::size_t>(columns4_));
    std::vector<std::uint16_t> order(natural.size());
    for (std::int64_t half = 0; half < panels_of(rows()) * 2; ++half) {
      HalfPlace* to = half_at(half);
      std::uint16_t* fours = fours_.data() + half / 2 * columns4_ * 2 + half % 2;
      for (std::int64_t four = 0; four < columns4_; ++four) natural[four] = to[2 * four];
      const auto* groups = reinterpret_cast<const std::int8_t*>(natural.data());
      constexpr int size = sizeof(HalfPlace);
      paired_[half] = static_cast<std::uint16_t>(pair_groups(groups, size, size, columns4_, order.data()));
      for (std::int64_t i = 0; i < columns4_; ++i) {
        to[2 * i] = natural[order[i]];
        fours[2 * i] = order[i];
      }
    }
  }

  std::size_t place(std::int64_t row, std::int64_t column) const {
    const std::int64_t four = row / panel_rows * columns4_ + column / 4;
    return static_cast<std::size_t>((four * panel_rows + row % panel_rows) * 4 + column % 4);
  }

  std::int64_t columns4_;
  Aligned<std::int8_t> values_;
  Aligned<float> scales_;
  Aligned<std::int32_t> totals_;
  Aligned<std::uint16_t> fours_, paired_;  // empty where no products are added in pairs
};

}  // namespace

std::unique_ptr<Matrix> dense_matrix(const float* values, std::int64_t rows, std::int64_t columns) {
  return std::make_unique<DenseMatrix>(values, rows, columns);
}

std::unique_ptr<Matrix> dense_int8_matrix(const std::int8_t* values, const float* scales, std::int64_t rows,
                                          std::int64_t columns, std::int64_t tokens) {
  return std::make_unique<DenseInt8Matrix>(values, scales, rows, columns, tokens);
}

}  // namespace nmt_prune
