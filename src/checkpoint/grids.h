// The grid of one group of weights: its scale and zero point, and the integers on it.
//
//   minmax   scale from the largest magnitude (or the range), as compressed-tensors computes it, bit for bit: scale and quotients
//            rounded to the weights' own type before they are rounded to integers
//   search   least squared error: scales from a range of candidates, then straight lines through (integer, value) pairs
//   hqq      half-quadratic splitting with the l_0.7 norm (Badri and Shaji 2023), then the same lines on what is no outlier
#pragma once

#include <cstdint>
#include <vector>

#include "checkpoint/elements.h"
#include "checkpoint/group_kernels.h"
#include "checkpoint/options.h"

namespace dsc::checkpoint {

struct Rounding {
  WeightOptions weights;
  Element source = Element::f32;  // the type that the values come in (fp8 with scales: f32)
  Element scale = Element::bf16;  // the type that scales are stored in
};

class GroupRounder {
 public:
  explicit GroupRounder(const Rounding& rounding) : rounding_(rounding) {}

  // values, codes [size]; second_moments [size], or null. codes[i] is the integer minus the smallest one.
  // returns: the grid; its scale is a value of the stored type.
  kernels::Affine round(const float* values, const float* second_moments, std::size_t size, std::uint8_t* codes);

 private:
  kernels::Affine minmax(float smallest, float largest) const;
  kernels::Affine search(const float* values, const float* moments, std::size_t size, float smallest, float largest) const;
  kernels::Affine half_quadratic(const float* values, const float* moments, std::size_t size, const kernels::Affine& start) const;
  // Straight lines through (integer, value) pairs for as long as the error falls.
  void refine(const float* values, const float* moments, std::size_t size, kernels::Affine& best, float& error) const;
  bool fit(const kernels::LineSums& sums, kernels::Affine& grid) const;
  float stored(float scale) const;

  Rounding rounding_;
  std::vector<float> quotients_;
};

}  // namespace dsc::checkpoint
