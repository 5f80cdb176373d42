#include "sparse_matrix.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <vector>

#include "half.h"
#include "kernels.h"
#include "lookup_matrix.h"
#include "matrix_by_tokens.h"

namespace nmt_prune {
namespace {

constexpr int blocked_rows = 4;

std::size_t size_of(ValueType type) {
  return type == ValueType::float32 ? 4 : type == ValueType::float16 ? 2 : 1;
}

bool has_blocks(const CompressedRows& from) {
  if (from.rows % blocked_rows != 0 || from.starts[from.rows] == 0) return false;
  for (std::int64_t row = 0; row < from.rows; ++row) {
    const std::int64_t first = row - row % blocked_rows, length = from.starts[first + 1] - from.starts[first];
    if (from.starts[row + 1] - from.starts[row] != length ||
        !std::equal(from.indices + from.starts[row], from.indices + from.starts[row + 1],
                    from.indices + from.starts[first]))
      return false;
  }
  return true;
}

class SparseMatrix final : public Matrix {
 public:
  explicit SparseMatrix(const CompressedRows& from)
      : Matrix(from.rows, from.columns),
        block_(has_blocks(from) ? blocked_rows : 1),
        windows_((from.rows + window_rows - 1) / window_rows),
        panels_(std::max<std::int64_t>(1, (from.columns + panel_columns - 1) / panel_columns)),
        type_(from.type),
        starts_(static_cast<std::size_t>(windows_ * panels_ * window_groups + 1)),
        order_(static_cast<std::size_t>(windows_ * panels_ * window_rows)) {
    sort_rows(from);
    const std::size_t steps = starts_[starts_.size() - 1];
    offsets_.grow(steps * group_rows / block_);
    values_.grow(steps * group_rows * size_of(type_));
    std::memset(offsets_.data(), 0, offsets_.bytes());
    std::memset(values_.data(), 0, values_.bytes());
    fill(from);
    if (from.scales) {
      scales_.grow(static_cast<std::size_t>(windows_ * window_rows));
      std::fill_n(scales_.data(), scales_.size(), 0.0f);
      std::copy_n(from.scales, from.rows, scales_.data());
    }
  }

  void multiply(const float* input, std::int64_t tokens, const float* bias, Activation activation, float* output,
                Workspace& workspace) const override {
    const Kernels& run = kernels();
    const SparseLayout weights = layout();
    while (tokens > 0) {
      // Several tiles share one reading of the weights.
      int tiles[tiles_at_once];
      std::int64_t taken = 0, width = 0;
      int count = 0;
      while (count < tiles_at_once && taken < tokens) {
        tiles[count] = run.sparse_tile(tokens - taken);
        width += tiles[count];
        taken += std::min<std::int64_t>(tiles[count++], tokens - taken);
      }
      float* inputs = workspace.inputs.grow(static_cast<std::size_t>(width * columns()));
      multiply_tiles(run, weights, tiles, count, input, taken, bias, activation, output, inputs, workspace);
      input += taken * columns();
      output += taken * rows();
      tokens -= taken;
    }
  }

  void row(std::int64_t index, float* output) const override {
    std::fill_n(output, columns(), 0.0f);
    for_each(index, [&](std::int64_t column, std::size_t place) { output[column] = value(place); });
    if (scales_.size())
      for (std::int64_t column = 0; column < columns(); ++column) output[column] *= scales_[index];
  }

  std::unique_ptr<Matrix> select(const std::vector<std::int32_t>& rows, std::int64_t) const override {
    const std::size_t bytes = size_of(type_);
    std::vector<std::int64_t> starts{0};
    std::vector<std::uint32_t> indices;
    std::vector<char> values;
    std::vector<float> scales;
    for (const std::int32_t row : rows) {
      for_each(row, [&](std::int64_t column, std::size_t place) {
        indices.push_back(static_cast<std::uint32_t>(column));
        values.insert(values.end(), values_.data() + place * bytes, values_.data() + (place + 1) * bytes);
      });
      starts.push_back(static_cast<std::int64_t>(indices.size()));
      if (scales_.size()) scales.push_back(scales_[row]);
    }
    return std::make_unique<SparseMatrix>(
        CompressedRows{static_cast<std::int64_t>(rows.size()), columns(), starts.data(), indices.data(), type_,
                       values.data(), scales_.size() ? scales.data() : nullptr});
  }

  const char* format() const override {
    switch (type_) {
      case ValueType::float32: return "sparse float32";
      case ValueType::float16: return "sparse float16";
      default: return "sparse int8";
    }
  }

  std::size_t nbytes() const override {
    return starts_.bytes() + order_.bytes() + offsets_.bytes() + values_.bytes() + scales_.bytes();
  }

 private:
  static constexpr int tiles_at_once = 5;

  SparseLayout layout() const {
    return {rows(),         columns(),     windows_,        panels_,        block_,        type_,
            starts_.data(), order_.data(), offsets_.data(), values_.data(), scales_.size() ? scales_.data() : nullptr};
  }

  float value(std::size_t place) const {
    if (type_ == ValueType::float32) return reinterpret_cast<const float*>(values_.data())[place];
    if (type_ == ValueType::float16)
      return half_to_float(reinterpret_cast<const std::uint16_t*>(values_.data())[place]);
    return reinterpret_cast<const std::int8_t*>(values_.data())[place];
  }

  // Nonzeros of a row, by column, and where their values are; padding is zero.
  template <class Visit>
  void for_each(std::int64_t row, Visit visit) const {
    for (std::int64_t panel = 0; panel < panels_; ++panel) {
      const std::int64_t part = row / window_rows * panels_ + panel;
      const std::uint8_t* order = order_.data() + part * window_rows;
      const std::int64_t in_order = std::find(order, order + window_rows, row % window_rows) - order;
      const std::int64_t group = part * window_groups + in_order / group_rows, lane = in_order % group_rows;
      for (std::size_t step = starts_[group]; step < starts_[group + 1]; ++step) {
        const std::size_t place = step * group_rows + lane;
        if (value(place) != 0.0f) visit(panel * panel_columns + offsets_[place / block_] / offset_unit, place);
      }
    }
  }

  void multiply_tiles(const Kernels& run, const SparseLayout& weights, const int* tiles, int count, const float* input,
                      std::int64_t tokens, const float* bias, Activation activation, float* output, float* inputs,
                      Workspace& workspace) const {
    float* transposed = inputs;
    int widest = 0;
    for (int i = 0, token = 0; i < count; token += tiles[i++]) {
      run.transpose(input + token * columns(), std::min<std::int64_t>(tiles[i], tokens - token), columns(), columns(),
                    tiles[i], transposed);
      transposed += columns() * tiles[i];
      widest = std::max(widest, tiles[i]);
    }
    float* sums = workspace.outputs.grow(static_cast<std::size_t>(window_rows) * widest);
    for (std::int64_t window = 0; window < windows_; ++window) {
      const std::int64_t first = window * window_rows, height = std::min<std::int64_t>(window_rows, rows() - first);
      transposed = inputs;
      for (int i = 0, token = 0; i < count; token += tiles[i++]) {
        run.sparse_window(weights, window, transposed, tiles[i], sums);
        run.finish_window(sums, tiles[i], std::min<std::int64_t>(tiles[i], tokens - token), height,
                          weights.scales ? weights.scales + first : nullptr, bias ? bias + first : nullptr,
                          activation == Activation::relu, output + token * rows() + first, rows());
        transposed += columns() * tiles[i];
      }
    }
  }

  // Where in its row a panel begins and ends.
  struct Part {
    std::int64_t first, last;
    std::int64_t length() const { return last - first; }
  };
  Part part_of(const CompressedRows& from, std::int64_t row, std::int64_t panel) const {
    if (row >= from.rows) return {0, 0};
    const std::uint32_t *begin = from.indices + from.starts[row], *end = from.indices + from.starts[row + 1];
    const auto bound = [&](std::int64_t column) { return std::lower_bound(begin, end, column) - from.indices; };
    return {bound(panel * panel_columns), bound((panel + 1) * panel_columns)};
  }

  void sort_rows(const CompressedRows& from) {
    std::int64_t steps = 0, lengths[window_rows];
    int places[window_rows];
    starts_[0] = 0;
    for (std::int64_t window = 0; window < windows_; ++window) {
      for (std::int64_t panel = 0; panel < panels_; ++panel) {
        for (int i = 0; i < window_rows; ++i) lengths[i] = part_of(from, window * window_rows + i, panel).length();
        std::iota(places, places + window_rows, 0);
        // Stable: rows of a block have one length and stay together.
        std::stable_sort(places, places + window_rows, [&](int a, int b) { return lengths[a] > lengths[b]; });
        const std::int64_t part = window * panels_ + panel;
        std::copy_n(places, window_rows, order_.data() + part * window_rows);
        for (int group = 0; group < window_groups; ++group) {
          steps += lengths[places[group * group_rows]];
          if (steps > std::int64_t{UINT32_MAX}) throw std::length_error("too many nonzeros in one matrix");
          starts_[part * window_groups + group + 1] = static_cast<std::uint32_t>(steps);
        }
      }
    }
  }

  void fill(const CompressedRows& from) {
    const std::size_t bytes = size_of(type_);
    const char* values = static_cast<const char*>(from.values);
    for (std::int64_t part = 0; part < windows_ * panels_; ++part) {
      const std::int64_t window = part / panels_, panel = part % panels_;
      for (int place = 0; place < window_rows; ++place) {
        const std::int64_t row = window * window_rows + order_[part * window_rows + place];
        const Part range = part_of(from, row, panel);
        std::size_t target = starts_[part * window_groups + place / group_rows] * std::size_t{group_rows} +
                             place % group_rows;
        for (std::int64_t i = range.first; i < range.last; ++i, target += group_rows) {
          const std::int64_t column = from.indices[i] - panel * panel_columns;
          offsets_[target / block_] = static_cast<std::uint16_t>(column * offset_unit);
          std::memcpy(values_.data() + target * bytes, values + i * bytes, bytes);
        }
      }
    }
  }

  int block_;
  std::int64_t windows_, panels_;
  ValueType type_;
  Aligned<std::uint32_t> starts_;
  Aligned<std::uint8_t> order_;
  Aligned<std::uint16_t> offsets_;
  Aligned<char> values_;
  Aligned<float> scales_;
};

}  // namespace

std::unique_ptr<Matrix> sparse_matrix(const CompressedRows& from) {
  const std::int64_t tokens = kernels().lookup_tokens;
  if (from.type != ValueType::int8 || tokens == 0 || from.columns > most_lookup_columns)
    return std::make_unique<SparseMatrix>(from);
  if (tokens == std::numeric_limits<std::int64_t>::max()) return lookup_matrix(from);
  return matrix_by_tokens(lookup_matrix(from), tokens, std::make_unique<SparseMatrix>(from));
}

}  // namespace nmt_prune
