#include "block_matrix.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <vector>

#include "dense_matrix.h"
#include "kernels.h"
#include "pairs.h"

namespace nmt_prune {
namespace {

class BlockMatrix final : public Matrix {
 public:
  explicit BlockMatrix(const CompressedRows& from)
      : Matrix(from.rows, from.columns),
        columns4_((from.columns + block_columns - 1) / block_columns),
        panels_((from.rows + block_rows - 1) / block_rows),
        starts_(static_cast<std::size_t>(panels_ + 1)),
        paired_(static_cast<std::size_t>(panels_)),
        scales_(static_cast<std::size_t>(panels_ * block_rows)),
        totals_(scales_.size()) {
    if (columns4_ > std::numeric_limits<std::uint16_t>::max() + 1)
      throw std::length_error("too many columns for blocks");
    std::vector<std::uint16_t> fours;
    for (std::int64_t panel = 0; panel < panels_; ++panel) {
      starts_[panel] = count(fours.size());
      add_panel(from, panel, fours);
    }
    starts_[panels_] = count(fours.size());
    fours_.grow(fours.size());
    std::copy(fours.begin(), fours.end(), fours_.data());
    values_.grow(fours.size() * block_bytes);
    std::memset(values_.data(), 0, values_.bytes());
    std::memset(scales_.data(), 0, scales_.bytes());
    std::memset(totals_.data(), 0, totals_.bytes());
    std::copy_n(from.scales, from.rows, scales_.data());
    fill(from);
    for (std::int64_t panel = 0; panel < panels_; ++panel) paired_[panel] = kernels().adds_pairs ? pair_up(panel) : 0;
  }

  void multiply(const float* input, std::int64_t tokens, const float* bias, Activation activation, float* output,
                Workspace& workspace) const override {
    const Kernels& run = kernels();
    std::int16_t* quantized = workspace.words.grow(static_cast<std::size_t>(tokens * columns4_ * block_columns));
    float* scales = workspace.scales.grow(static_cast<std::size_t>(tokens));
    run.quantize(input, tokens, columns(), columns4_, run.blocks_most, quantized, scales);
    run.blocks({rows(), columns4_, panels_, starts_.data(), paired_.data(), fours_.data(), values_.data(),
                scales_.data(), totals_.data()},
               quantized, scales, tokens, bias, activation == Activation::relu, output);
  }

  void row(std::int64_t index, float* output) const override {
    std::fill_n(output, columns(), 0.0f);
    for_each(index, [&](std::int64_t column, std::int8_t value) { output[column] = value * scales_[index]; });
  }

  // Rows of several panels share few blocks.
  std::unique_ptr<Matrix> select(const std::vector<std::int32_t>& rows, std::int64_t tokens) const override {
    std::vector<std::int8_t> values(rows.size() * static_cast<std::size_t>(columns()));
    std::vector<float> scales;
    std::int8_t* to = values.data();
    for (const std::int32_t row : rows) {
      for_each(row, [&](std::int64_t column, std::int8_t value) { to[column] = value; });
      scales.push_back(scales_[row]);
      to += columns();
    }
    return dense_int8_matrix(values.data(), scales.data(), static_cast<std::int64_t>(rows.size()), columns(), tokens);
  }

  const char* format() const override { return "blocks int8"; }
  std::size_t nbytes() const override {
    return starts_.bytes() + paired_.bytes() + fours_.bytes() + values_.bytes() + scales_.bytes() + totals_.bytes();
  }

 private:
  static std::uint32_t count(std::size_t blocks) {
    if (blocks > std::numeric_limits<std::uint32_t>::max()) throw std::length_error("too many blocks in one matrix");
    return static_cast<std::uint32_t>(blocks);
  }

  // The blocks of a panel that are not empty, in order.
  static void add_panel(const CompressedRows& from, std::int64_t panel, std::vector<std::uint16_t>& fours) {
    const std::int64_t first = panel * block_rows, last = std::min(first + block_rows, from.rows);
    std::vector<std::uint16_t> found;
    for (std::int64_t i = from.starts[first]; i < from.starts[last]; ++i)
      found.push_back(static_cast<std::uint16_t>(from.indices[i] / block_columns));
    std::sort(found.begin(), found.end());
    fours.insert(fours.end(), found.begin(), std::unique(found.begin(), found.end()));
  }

  void fill(const CompressedRows& from) {
    const std::int8_t* values = static_cast<const std::int8_t*>(from.values);
    for (std::int64_t row = 0; row < from.rows; ++row) {
      std::size_t block = starts_[row / block_rows];
      for (std::int64_t i = from.starts[row]; i < from.starts[row + 1]; ++i) {
        while (fours_[block] != from.indices[i] / block_columns) ++block;
        values_[place(block, row, from.indices[i])] = values[i];
        totals_[row] += values[i];
      }
    }
  }

  // Puts a panel's blocks that come in pairs first; returns how many these are.
  std::uint16_t pair_up(std::int64_t panel) {
    const std::size_t first = starts_[panel], count = starts_[panel + 1] - first;
    const std::vector<std::uint16_t> fours(fours_.data() + first, fours_.data() + first + count);
    const std::vector<std::int8_t> values(values_.data() + first * block_bytes,
                                          values_.data() + (first + count) * block_bytes);
    std::vector<std::uint16_t> order(count);
    const std::int64_t paired = pair_groups(values.data(), block_bytes, block_bytes, static_cast<std::int64_t>(count),
                                            order.data());
    for (std::size_t i = 0; i < count; ++i) {
      fours_[first + i] = fours[order[i]];
      std::copy_n(values.data() + order[i] * block_bytes, block_bytes, values_.data() + (first + i) * block_bytes);
    }
    return static_cast<std::uint16_t>(paired);
  }

  // Values of a row in its blocks.
  template <class Visit>
  void for_each(std::int64_t row, Visit visit) const {
    for (std::size_t block = starts_[row / block_rows]; block < starts_[row / block_rows + 1]; ++block) {
      const std::int64_t first = fours_[block] * block_columns;
      const std::int8_t* from = values_.data() + place(block, row, first);
      for (std::int64_t i = 0; i < block_columns && first + i < columns(); ++i) visit(first + i, from[i]);
    }
  }

  static std::size_t place(std::size_t block, std::int64_t row, std::int64_t column) {
    return block * block_bytes + static_cast<std::size_t>(row % block_rows * block_columns + column % block_columns);
  }

  std::int64_t columns4_, panels_;
  Aligned<std::uint32_t> starts_;
  Aligned<std::uint16_t> paired_, fours_;
  Aligned<std::int8_t> values_;
  Aligned<float> scales_;
  Aligned<std::int32_t> totals_;
};

}  // namespace

std::unique_ptr<Matrix> block_matrix(const CompressedRows& from) { return std::make_unique<BlockMatrix>(from); }

}  // namespace nmt_prune
