// What is added to the embedding of a token because of its place.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "parameters.h"
#include "stack.h"

namespace nmt_prune {

class Positions {
 public:
  Positions(const Stack& stack, Parameters& parameters, const std::string& prefix, std::int32_t pad);

  // Of the first places of a sequence.
  class Table {
   public:
    // Null where positions are not told apart.
    const float* row(std::int64_t place) const { return values_ ? values_ + place * dim_ : nullptr; }

   private:
    friend class Positions;
    const float* values_ = nullptr;
    std::int64_t dim_ = 0;
    std::shared_ptr<const std::vector<float>> owner_;
  };
  Table first(std::int64_t places) const;

 private:
  std::int64_t dim_, max_positions_;
  std::int32_t pad_;
  bool sinusoidal_;
  const float* learned_ = nullptr;
  // As long as the longest sequence so far needed; replaced, not changed, as other threads read it.
  mutable std::shared_ptr<const std::vector<float>> computed_ = std::make_shared<const std::vector<float>>();
  mutable std::unique_ptr<std::mutex> computing_ = std::make_unique<std::mutex>();
};

}  // namespace nmt_prune
