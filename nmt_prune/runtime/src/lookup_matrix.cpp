#include "lookup_matrix.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <vector>

#include "kernels.h"

namespace nmt_prune {
namespace {

// The nonzeros of one row that are not yet in a step.
struct Rest {
  const std::uint32_t* columns;
  const std::int8_t* values;
  std::int64_t count;
};

class LookupMatrix final : public Matrix {
 public:
  explicit LookupMatrix(const CompressedRows& from)
      : Matrix(from.rows, from.columns),
        stride_((from.columns + lookup_columns - 1) / lookup_columns * lookup_columns),
        windows_((from.rows + lookup_window - 1) / lookup_window),
        places_(padded_rows()),
        scales_(padded_rows()),
        totals_(padded_rows()) {
    std::fill_n(scales_.data(), scales_.size(), 0.0f);
    std::copy_n(from.scales, from.rows, scales_.data());
    std::vector<std::uint32_t> starts{0};
    std::vector<std::uint16_t> firsts;
    std::vector<std::uint8_t> steps;
    for (std::int64_t window = 0; window < windows_; ++window) {
      Rest rows[lookup_window];
      sort_rows(from, window, rows);
      for (int group = 0; group < lookup_groups; ++group) {
        while (add_step(rows + group * lookup_rows, firsts, steps)) continue;
        if (firsts.size() > std::numeric_limits<std::uint32_t>::max())
          throw std::length_error("too many nonzeros in one matrix");
        starts.push_back(static_cast<std::uint32_t>(firsts.size()));
      }
    }
    starts_ = copied(starts);
    firsts_ = copied(firsts);
    steps_ = copied(steps);
  }

  void multiply(const float* input, std::int64_t tokens, const float* bias, Activation activation, float* output,
                Workspace& workspace) const override {
    const Kernels& run = kernels();
    std::uint8_t* bytes = workspace.bytes.grow(static_cast<std::size_t>(tokens * stride_));
    float* scales = workspace.scales.grow(static_cast<std::size_t>(tokens));
    run.quantize_for_lookups(input, tokens, columns(), stride_, bytes, scales);
    run.sparse_lookups(
        {rows(), columns(), stride_, windows_, starts_.data(), places_.data(), firsts_.data(), steps_.data(),
         scales_.data(), totals_.data()},
        bytes, scales, tokens, bias, activation == Activation::relu, output);
  }

  void row(std::int64_t index, float* output) const override {
    std::fill_n(output, columns(), 0.0f);
    for_each(index, [&](std::int64_t column, std::int8_t value) { output[column] = value * scales_[index]; });
  }

  std::unique_ptr<Matrix> select(const std::vector<std::int32_t>& rows, std::int64_t) const override {
    std::vector<std::int64_t> starts{0};
    std::vector<std::uint32_t> indices;
    std::vector<std::int8_t> values;
    std::vector<float> scales;
    for (const std::int32_t row : rows) {
      for_each(row, [&](std::int64_t column, std::int8_t value) {
        indices.push_back(static_cast<std::uint32_t>(column));
        values.push_back(value);
      });
      starts.push_back(static_cast<std::int64_t>(indices.size()));
      scales.push_back(scales_[row]);
    }
    return lookup_matrix({static_cast<std::int64_t>(rows.size()), columns(), starts.data(), indices.data(),
                          ValueType::int8, values.data(), scales.data()});
  }

  const char* format() const override { return "sparse int8"; }
  std::size_t nbytes() const override {
    return starts_.bytes() + places_.bytes() + firsts_.bytes() + steps_.bytes() + scales_.bytes() + totals_.bytes();
  }

 private:
  // Nonzeros of a row, by column.
  template <class Visit>
  void for_each(std::int64_t row, Visit visit) const {
    const std::int64_t place = row - row % lookup_window + places_[row];
    for (std::size_t step = starts_[place / lookup_rows]; step < starts_[place / lookup_rows + 1]; ++step) {
      const std::uint8_t* columns = steps_.data() + 2 * lookup_bytes * step + 4 * (place % lookup_rows);
      const std::uint8_t* values = columns + lookup_bytes;
      for (int i = 0; i < 4; ++i)  // padding is of value 0, and of a column that may lie past the last
        if (values[i] != 0) visit(firsts_[step] + columns[i], static_cast<std::int8_t>(values[i]));
    }
  }

  std::size_t padded_rows() const { return static_cast<std::size_t>(windows_ * lookup_window); }

  template <class T>
  static Aligned<T> copied(const std::vector<T>& from) {
    Aligned<T> to(from.size());
    std::copy(from.begin(), from.end(), to.data());
    return to;
  }

  // The longest rows first, so that rows of a group end together.
  void sort_rows(const CompressedRows& from, std::int64_t window, Rest* sorted) {
    const std::int8_t* values = static_cast<const std::int8_t*>(from.values);
    Rest rows[lookup_window] = {};
    const std::int64_t first = window * lookup_window;
    for (std::int64_t row = first; row < std::min(first + lookup_window, from.rows); ++row) {
      const std::int64_t start = from.starts[row];
      rows[row - first] = {from.indices + start, values + start, from.starts[row + 1] - start};
    }
    int order[lookup_window];
    std::iota(order, order + lookup_window, 0);
    std::stable_sort(order, order + lookup_window, [&](int a, int b) { return rows[a].count > rows[b].count; });
    for (int place = 0; place < lookup_window; ++place) {
      const Rest& row = sorted[place] = rows[order[place]];
      places_[first + order[place]] = static_cast<std::uint8_t>(place);
      totals_[first + order[place]] = std::accumulate(row.values, row.values + row.count, 0);
    }
  }

  // Takes up to four nonzeros of each row; false where there are none.
  bool add_step(Rest* rows, std::vector<std::uint16_t>& firsts, std::vector<std::uint8_t>& steps) const {
    std::int64_t least = columns();
    for (int row = 0; row < lookup_rows; ++row)
      if (rows[row].count > 0) least = std::min<std::int64_t>(least, *rows[row].columns);
    if (least == columns()) return false;
    const std::int64_t first = std::min(least, stride_ - lookup_columns);
    firsts.push_back(static_cast<std::uint16_t>(first));
    steps.resize(steps.size() + 2 * lookup_bytes);
    std::uint8_t* columns = &steps[steps.size() - 2 * lookup_bytes];
    for (int row = 0; row < lookup_rows; ++row, columns += 4) {
      Rest& rest = rows[row];
      for (int i = 0; i < 4 && rest.count > 0 && *rest.columns < first + lookup_columns; ++i, --rest.count) {
        columns[i] = static_cast<std::uint8_t>(*rest.columns++ - first);
        columns[lookup_bytes + i] = static_cast<std::uint8_t>(*rest.values++);
      }
    }
    return true;
  }

  std::int64_t stride_, windows_;
  Aligned<std::uint32_t> starts_;
  Aligned<std::uint8_t> places_, steps_;
  Aligned<std::uint16_t> firsts_;
  Aligned<float> scales_;
  Aligned<std::int32_t> totals_;
};

}  // namespace

std::unique_ptr<Matrix> lookup_matrix(const CompressedRows& from) { return std::make_unique<LookupMatrix>(from); }

}  // namespace nmt_prune
