// Weights by name, handed out when their sizes are what the architecture says.
#pragma once

#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>

#include "matrix.h"

namespace nmt_prune {

// Of input that cannot be run; its message names the tensor, option or sentence.
struct InvalidInput : std::invalid_argument {
  using std::invalid_argument::invalid_argument;
};

class Parameters {
 public:
  void add(const std::string& name, const Matrix& matrix) { matrices_[name] = {&matrix, false}; }
  void add(const std::string& name, const float* values, std::int64_t size) { vectors_[name] = {values, size, false}; }

  const Matrix& matrix(const std::string& name, std::int64_t rows, std::int64_t columns);
  // The number of rows is what is to be found out.
  const Matrix& matrix(const std::string& name, std::int64_t columns);
  const float* vector(const std::string& name, std::int64_t size);
  // Null where there is none.
  const float* optional_vector(const std::string& name, std::int64_t size);

  // What nobody asked for would silently be left out of the model.
  void refuse_unused() const;

 private:
  struct NamedMatrix {
    const Matrix* matrix;
    bool used;
  };
  struct NamedVector {
    const float* values;
    std::int64_t size;
    bool used;
  };
  std::map<std::string, NamedMatrix> matrices_;
  std::map<std::string, NamedVector> vectors_;
};

}  // namespace nmt_prune
