#include "parameters.h"

namespace nmt_prune {

const Matrix& Parameters::matrix(const std::string& name, std::int64_t rows, std::int64_t columns) {
  const Matrix& found = matrix(name, columns);
  if (found.rows() != rows)
    throw InvalidInput(name + " has " + std::to_string(found.rows()) + " rows, not " + std::to_string(rows));
  return found;
}

const Matrix& Parameters::matrix(const std::string& name, std::int64_t columns) {
  const auto found = matrices_.find(name);
  if (found == matrices_.end()) throw InvalidInput("there is no matrix " + name);
  found->second.used = true;
  const Matrix& matrix = *found->second.matrix;
  if (matrix.columns() != columns)
    throw InvalidInput(name + " has " + std::to_string(matrix.columns()) + " columns, not " + std::to_string(columns));
  return matrix;
}

const float* Parameters::optional_vector(const std::string& name, std::int64_t size) {
  const auto found = vectors_.find(name);
  if (found == vectors_.end()) return nullptr;
  found->second.used = true;
  if (found->second.size != size)
    throw InvalidInput(name + " has " + std::to_string(found->second.size) + " elements, not " + std::to_string(size));
  return found->second.values;
}

const float* Parameters::vector(const std::string& name, std::int64_t size) {
  const float* found = optional_vector(name, size);
  if (found == nullptr) throw InvalidInput("there is no vector " + name);
  return found;
}

void Parameters::refuse_unused() const {
  for (const auto& [name, entry] : matrices_)
    if (!entry.used) throw InvalidInput("the architecture has no place for the matrix " + name);
  for (const auto& [name, entry] : vectors_)
    if (!entry.used) throw InvalidInput("the architecture has no place for the vector " + name);
}

}  // namespace nmt_prune
