// The model in Python.
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <tuple>
#include <vector>

#include "bindings.h"
#include "translation.h"

namespace nb = nanobind;

namespace nmt_prune {
namespace {

using Vector = nb::ndarray<const float, nb::c_contig, nb::device::cpu>;
using Words = nb::ndarray<const std::int32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Weights = nb::ndarray<nb::numpy, float, nb::ndim<2>>;
using PythonHypothesis = std::tuple<std::vector<std::int32_t>, float, std::vector<float>>;

template <class T>
T item(const nb::dict& dict, const char* stack, const char* name) {
  const std::string full = std::string(stack) + name;
  if (!dict.contains(name)) throw InvalidInput("there is no " + full);
  T value;
  if (!nb::try_cast<T>(dict[name], value)) throw InvalidInput(full + " is of the wrong type");
  return value;
}

Nonlinearity nonlinearity(const std::string& name, const char* stack) {
  if (name == "relu") return Nonlinearity::relu;
  if (name == "gelu") return Nonlinearity::gelu;
  if (name == "gelu_accurate") return Nonlinearity::gelu_tanh;
  if (name == "swish") return Nonlinearity::swish;
  throw InvalidInput(std::string(stack) + "activation is " + name + ", not relu, gelu, gelu_accurate or swish");
}

// Sizes are multiplied with each other later: none may be so large that this overflows.
constexpr std::int64_t largest_width = std::int64_t{1} << 24;

std::int64_t positive(std::int64_t value, const char* stack, const char* name) {
  if (value < 1 || value > largest_width)
    throw InvalidInput(std::string(stack) + name + " is " + std::to_string(value) + ", not from 1 to 2^24");
  return value;
}

std::vector<std::int64_t> widths(const nb::dict& dict, const char* stack, const char* name) {
  auto found = item<std::vector<std::int64_t>>(dict, stack, name);
  for (const std::int64_t width : found)
    if (width < 0 || width > largest_width)
      throw InvalidInput(std::string(stack) + name + " has " + std::to_string(width) + ", not from 0 to 2^24");
  return found;
}

Stack stack_of(const nb::dict& dict, const char* name) {
  Stack stack;
  stack.dim = positive(item<std::int64_t>(dict, name, "dim"), name, "dim");
  stack.head_dim = positive(item<std::int64_t>(dict, name, "head_dim"), name, "head_dim");
  stack.heads = widths(dict, name, "heads");
  stack.cross_heads = widths(dict, name, "cross_heads");
  stack.ffn = widths(dict, name, "ffn");
  stack.pre_norm = item<bool>(dict, name, "pre_norm");
  stack.final_norm = item<bool>(dict, name, "final_norm");
  stack.activation = nonlinearity(item<std::string>(dict, name, "activation"), name);
  stack.embedding_scale = item<float>(dict, name, "embedding_scale");
  stack.embedding_norm = item<bool>(dict, name, "embedding_norm");
  stack.positions = item<std::string>(dict, name, "positions");
  stack.max_positions = item<std::int64_t>(dict, name, "max_positions");
  if (stack.max_positions < 1) throw InvalidInput(std::string(name) + "max_positions is below 1");
  return stack;
}

SearchOptions options_of(const nb::dict& dict) {
  SearchOptions options;
  options.beam = item<std::int64_t>(dict, "", "beam");
  options.nbest = item<std::int64_t>(dict, "", "nbest");
  options.lenpen = item<double>(dict, "", "lenpen");
  options.unkpen = item<float>(dict, "", "unkpen");
  options.max_len_a = item<double>(dict, "", "max_len_a");
  options.max_len_b = item<std::int64_t>(dict, "", "max_len_b");
  options.min_len = item<std::int64_t>(dict, "", "min_len");
  options.no_repeat_ngram_size = item<std::int64_t>(dict, "", "no_repeat_ngram_size");
  options.normalize_scores = item<bool>(dict, "", "normalize_scores");
  options.temperature = item<float>(dict, "", "temperature");
  options.scores = item<bool>(dict, "", "scores");
  options.sampling = item<bool>(dict, "", "sampling");
  options.sampling_topk = item<std::int64_t>(dict, "", "sampling_topk");
  options.sampling_topp = item<double>(dict, "", "sampling_topp");
  return options;
}

nb::ndarray<nb::numpy, std::uint16_t, nb::ndim<1>> halves(const Vector& values) {
  auto* owned = new std::vector<Half>(values.size());
  const nb::capsule owner(owned, [](void* own) noexcept { delete static_cast<std::vector<Half>*>(own); });
  kernels().vectors.to_half(values.data(), static_cast<std::int64_t>(values.size()), owned->data());
  return {owned->data(), {values.size()}, owner};
}

// An array that owns what it shows.
Weights table(std::vector<float>&& values, std::size_t rows, std::size_t columns) {
  auto* owned = new std::vector<float>(std::move(values));
  const nb::capsule owner(owned, [](void* own) noexcept { delete static_cast<std::vector<float>*>(own); });
  return Weights(owned->data(), {rows, columns}, owner);
}

// A model and what it refers to.
class BoundModel {
 public:
  BoundModel(const nb::dict& architecture, const nb::dict& matrices, const nb::dict& vectors, std::int32_t pad,
             std::int32_t eos, std::int32_t unk, bool with_halves) {
    Parameters parameters;
    for (const auto [key, value] : matrices) {
      const auto name = nb::cast<std::string>(key);
      if (!nb::isinstance<Matrix>(value)) throw InvalidInput(name + " is not a Matrix");
      parameters.add(name, *nb::inst_ptr<Matrix>(value));
      matrices_.push_back(nb::borrow(value));
    }
    for (const auto [key, value] : vectors) {
      const auto name = nb::cast<std::string>(key);
      Vector vector;
      if (!nb::try_cast<Vector>(value, vector, false))
        throw InvalidInput(name + " is not a contiguous float32 array");
      parameters.add(name, vector.data(), static_cast<std::int64_t>(vector.size()));
      vectors_.push_back(std::move(vector));
    }
    const Architecture stacks{stack_of(item<nb::dict>(architecture, "", "encoder"), "encoder."),
                              stack_of(item<nb::dict>(architecture, "", "decoder"), "decoder.")};
    model_ = std::make_unique<Model>(stacks, parameters, Symbols{pad, eos, unk}, with_halves);
  }

  std::vector<std::vector<PythonHypothesis>> search(const std::vector<Sentence>& sources, const nb::dict& options,
                                                    const std::vector<Sentence>& prefixes, std::int64_t threads,
                                                    const Words& words,
                                                    const std::vector<std::vector<double>>& draws) const {
    const SearchOptions wanted = options_of(options);
    const std::vector<std::int32_t> list(words.data(), words.data() + words.size());
    const nb::gil_scoped_release released;
    std::vector<std::vector<PythonHypothesis>> result;
    for (std::vector<Hypothesis>& hypotheses : model_->search(sources, wanted, prefixes, threads, list, draws)) {
      result.emplace_back();
      for (Hypothesis& hypothesis : hypotheses)
        result.back().emplace_back(std::move(hypothesis.tokens), hypothesis.score, std::move(hypothesis.token_scores));
    }
    return result;
  }

  std::vector<std::vector<Weights>> attention(const std::vector<Sentence>& sources,
                                              const std::vector<std::vector<Sentence>>& targets) const {
    std::vector<std::vector<std::vector<float>>> found;
    {
      const nb::gil_scoped_release released;
      found = model_->attention(sources, targets);
    }
    std::vector<std::vector<Weights>> result(found.size());
    for (std::size_t i = 0; i < found.size(); ++i)
      for (std::size_t j = 0; j < found[i].size(); ++j)
        result[i].push_back(table(std::move(found[i][j]), targets[i][j].size(), sources[i].size()));
    return result;
  }

 private:
  std::vector<nb::object> matrices_;
  std::vector<Vector> vectors_;
  std::unique_ptr<Model> model_;
};

}  // namespace

void bind_model(nb::module_& module) {
  using namespace nb::literals;
  module.def("halves", &halves, "values"_a, "float32 as keys and values are remembered: the bits of a float16 each.");
  nb::class_<BoundModel>(module, "Model", "A translation model.")
      .def(nb::init<const nb::dict&, const nb::dict&, const nb::dict&, std::int32_t, std::int32_t, std::int32_t,
                    bool>(),
           "architecture"_a, "matrices"_a, "vectors"_a, "pad"_a, "eos"_a, "unk"_a, "with_halves"_a,
           "architecture as dataclasses.asdict gives it; matrices and vectors by name, which are used where they are."
           " with_halves: the decoder remembers keys and values as float16.")
      .def("search", &BoundModel::search, "sources"_a, "options"_a, "prefixes"_a, "threads"_a, "words"_a,
           "draws"_a,
           "Hypotheses of each source as tuples (tokens, score, token scores), the best first. words: rows of the"
           " target dictionary from which translations are made, ascending; empty: all. draws: where words are sampled,"
           " of each source beam x (longest output + 1) numbers from 0 to 1.")
      .def("attention", &BoundModel::attention, "sources"_a, "targets"_a,
           "Of each target of each source an array, target x source words: how much of each source word it takes.");
}

}  // namespace nmt_prune
