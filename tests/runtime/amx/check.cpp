// Products by tiles are those by vectors, to the bit, and the trial takes what is right and fast.
#include <random>
#include <vector>

#include "tiles.h"
#define NMT_PRUNE_KERNELS avx2
#include "kernels/amx.h"
#include "kernels.h"
#include "trial.h"

using namespace nmt_prune;

namespace {

// Arrays end where the layout ends: reads past that are errors of memory.
struct Weights {
  std::vector<std::int8_t> values, backwards;
  std::vector<float> scales;
  std::vector<std::int32_t> totals;
  std::vector<std::uint16_t> fours, paired;
  DenseInt8Layout layout, in_order;  // the same, as where an instruction set adds pairs and orders fours of columns

  Weights(std::int64_t rows, std::int64_t columns, std::mt19937& random) {
    const std::int64_t columns4 = (columns + 3) / 4, panels = (rows + panel_rows - 1) / panel_rows;
    std::uniform_int_distribution<int> byte(-127, 127);
    for (std::int64_t i = 0; i < panels * columns4 * panel_rows * 4; ++i)
      values.push_back(static_cast<std::int8_t>(byte(random)));
    for (std::int64_t i = 0; i < panels * panel_rows; ++i) {
      scales.push_back(0.001f * static_cast<float>(1 + i % 7));
      totals.push_back(byte(random));
    }
    for (std::int64_t panel = 0; panel < panels; ++panel) {
      for (std::int64_t four = columns4 - 1; four >= 0; --four) {
        const auto from = values.begin() + (panel * columns4 + four) * panel_rows * 4;
        backwards.insert(backwards.end(), from, from + panel_rows * 4);
        fours.insert(fours.end(), 2, static_cast<std::uint16_t>(four));
      }
    }
    paired.resize(static_cast<std::size_t>(panels * 2));
    layout = {rows, columns, columns4, panels, values.data(), scales.data(), totals.data(), nullptr, nullptr};
    in_order = layout;
    in_order.values = backwards.data();
    in_order.fours = fours.data();
    in_order.paired = paired.data();
  }
};

std::vector<float> product(const DenseInt8& by, const DenseInt8Layout& weights, const std::vector<float>& input,
                           std::int64_t tokens, const float* bias, bool relu) {
  std::vector<avx2::Quantized> quantized(static_cast<std::size_t>(tokens * weights.columns4 * 4));
  std::vector<float> scales(static_cast<std::size_t>(tokens)), output(static_cast<std::size_t>(tokens * weights.rows));
  avx2::quantize(input.data(), tokens, weights.columns, weights.columns4, by.most(tokens), quantized.data(),
                 scales.data());
  by.multiply(weights, quantized.data(), scales.data(), tokens, bias, relu, output.data());
  return output;
}

void wrong(const DenseInt8Layout& weights, const void* quantized, const float* scales, std::int64_t tokens,
           const float* bias, bool relu, float* output) {
  avx2::dense_int8(weights, quantized, scales, tokens, bias, relu, output);
  output[tokens * weights.rows - 1] += 1.0f;
}

Kernels with(DenseInt8 dense_int8) {
  Kernels kernels{};
  kernels.quantize = avx2::quantize;
  kernels.dense_int8 = dense_int8;
  return kernels;
}

}  // namespace

int main() {
  const DenseInt8 tiles_of_16{avx2::most_by_tiles, avx2::dense_int8_by_tiles}, vectors{avx2::int8_most, avx2::dense_int8};
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  int products = 0;
  for (const std::int64_t rows : {1, 31, 32, 33, 100}) {
    for (const std::int64_t columns : {1, 3, 60, 64, 65, 128, 200}) {
      const Weights weights(rows, columns, random);
      for (const std::int64_t tokens : {1, 15, 16, 17, 31, 32, 33, 40, 48, 64, 70}) {
        std::vector<float> input(static_cast<std::size_t>(tokens * columns)), bias(static_cast<std::size_t>(rows));
        for (float& value : input) value = normal(random);
        for (float& value : bias) value = normal(random);
        for (const bool relu : {false, true}) {
          const float* shift = relu ? bias.data() : nullptr;
          const auto expected = product(vectors, weights.layout, input, tokens, shift, relu);
          if (product(tiles_of_16, weights.layout, input, tokens, shift, relu) != expected ||
              product(tiles_of_16, weights.in_order, input, tokens, shift, relu) != expected) {
            std::fprintf(stderr, "%d rows, %d columns, %d tokens: another product\n", static_cast<int>(rows),
                         static_cast<int>(columns), static_cast<int>(tokens));
            return 1;
          }
          tiles::require(!tiles::configured, "tiles are not released");
          ++products;
        }
      }
    }
  }
  tiles::require(is_worth_it(with(vectors), with(tiles_of_16)), "the trial refuses what is right and fast");
  tiles::require(!is_worth_it(with(tiles_of_16), with(vectors)), "the trial takes what is slow");
  tiles::require(!is_worth_it(with({vectors.most, wrong}), with(tiles_of_16)), "the trial takes what is wrong");
  std::printf("%d products\n", products);
  return 0;
}
