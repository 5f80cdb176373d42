#pragma once
#include <cstdint>
#include <cstring>

namespace nmt_prune {

// A float of 16 bits, IEEE 754's binary16.
struct Half {
  std::uint16_t bits;
};

// Static: each translation unit keeps the copy that its own flags made.
static inline float half_to_float(std::uint16_t half) {
  // The exponent is re-biased by a multiplication, which is right for subnormal numbers too.
  const std::uint32_t magnitude = static_cast<std::uint32_t>(half & 0x7fff) << 13;
  float value;
  std::memcpy(&value, &magnitude, sizeof value);
  value *= 0x1p112f;
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  if (magnitude >= 0x0f800000u) bits |= 0x7f800000u;  // infinity or not a number
  bits |= static_cast<std::uint32_t>(half & 0x8000) << 16;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

}  // namespace nmt_prune
