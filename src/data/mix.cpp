#include "data/mix.h"

#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>

#include "data/draws.h"

namespace dsc {
namespace {

using Partners = std::vector<std::int64_t>;

// Calls edit(own picture, partner's picture as it was, elements) for each example.
template <class Edit>
void for_each_pair(at::Tensor& images, const Partners& partners, Edit edit) {
  const at::Tensor before = images.clone();
  const std::int64_t elements = images.numel() / images.size(0);
  for (std::size_t i = 0; i < partners.size(); ++i) {
    edit(images.mutable_data_ptr<float>() + static_cast<std::int64_t>(i) * elements, before.const_data_ptr<float>() + partners[i] * elements, elements);
  }
}

void blend_pictures(at::Tensor& images, const Partners& partners, double share) {
  const auto own_share = static_cast<float>(share), other_share = static_cast<float>(1 - share);
  for_each_pair(images, partners, [&](float* own, const float* other, std::int64_t elements) {
    for (std::int64_t i = 0; i < elements; ++i) own[i] = own_share * own[i] + other_share * other[i];
  });
}

// Returns the share that is left of each picture: the rectangle may reach over the border.
double paste_rectangles(at::Tensor& images, const Partners& partners, double share, Random& random) {
  const std::int64_t height = images.size(2), width = images.size(3);
  const double side = std::sqrt(1 - share) / 2;
  const auto range = [&](std::int64_t size) {
    const auto half = static_cast<std::int64_t>(side * static_cast<double>(size));
    const std::int64_t centre = random.below(size);
    return std::pair(std::max<std::int64_t>(0, centre - half), std::min(size, centre + half));
  };
  const auto [top, bottom] = range(height);
  const auto [left, right] = range(width);
  for_each_pair(images, partners, [&, top = top, bottom = bottom, left = left, right = right](float* own, const float* other, std::int64_t elements) {
    for (std::int64_t plane = 0; plane < elements; plane += height * width) {
      for (std::int64_t row = top; row < bottom; ++row) std::copy(other + plane + row * width + left, other + plane + row * width + right, own + plane + row * width + left);
    }
  });
  return 1 - static_cast<double>((bottom - top) * (right - left)) / static_cast<double>(height * width);
}

at::Tensor mixed_labels(const at::Tensor& labels, const Partners& partners, std::int64_t classes, double share) {
  at::Tensor mixed = at::zeros({labels.size(0), classes}, at::kFloat);
  auto* row = mixed.mutable_data_ptr<float>();
  const auto* label = labels.const_data_ptr<std::int64_t>();
  for (std::size_t i = 0; i < partners.size(); ++i, row += classes) {
    row[label[i]] += static_cast<float>(share);
    row[label[partners[i]]] += static_cast<float>(1 - share);
  }
  return mixed;
}

}  // namespace

void mix_batch(const std::vector<Augmentation>& augmentations, std::int64_t classes, Random random, Batch& batch) {
  std::vector<const Augmentation*> mixers;
  for (const auto& augmentation : augmentations) {
    if (std::holds_alternative<Mixup>(augmentation) || std::holds_alternative<CutMix>(augmentation)) mixers.push_back(&augmentation);
  }
  if (mixers.empty() || batch.inputs[0].size(0) == 0) return;
  const auto& chosen = *mixers[static_cast<std::size_t>(random.below(static_cast<std::int64_t>(mixers.size())))];
  const auto* mixup = std::get_if<Mixup>(&chosen);
  double share = draw_beta(mixup ? mixup->alpha : std::get<CutMix>(chosen).alpha, random);
  const Partners partners = permutation(batch.inputs[0].size(0), random.next());
  if (mixup) blend_pictures(batch.inputs[0], partners, share);
  else share = paste_rectangles(batch.inputs[0], partners, share, random);
  batch.target = mixed_labels(batch.target, partners, classes, share);
  batch.soft_target = true;
}

}  // namespace dsc
